"""The primary dies and a standby takes over: nothing acknowledged is lost, no client restarts."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from support.failover import Crew
from support.load import carry_out
from support.pair import pair
from support.raw_events import append_raw
from support.soak import Report, await_answers, check, kill, load_clients

from registry import Registry
from registry.database.opening import SingleConnection
from registry.database.patience import VARIABLE
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.errors import DatabaseUnavailable, LogIsAnother
from registry.execution.executor import Invocation
from registry.loader import CredentialLoader
from registry.services.reading.accounts import list_accounts
from registry.services.releases.resolution import Wish

pytestmark = pytest.mark.slow


def test_clients_go_on_at_the_standby_and_nothing_acknowledged_is_lost() -> None:
    report = Report()
    with pair() as servers, load_clients(servers, servers.folder, 3, 7, report) as folder:
        await_answers(folder, more=30)
        servers.fail_over()
        await_answers(folder, more=30)
        (folder / "stop").touch()
        time.sleep(0.2)
        check(servers, folder, report)
    assert report.problems == []
    assert report.acknowledged > 10
    assert report.sent_again > 0


def test_clients_of_all_kinds_go_on_and_none_of_them_is_told_of_it(tmp_path: Path) -> None:
    """The short form of scripts/failover-drill."""
    with pair() as servers:
        crew = Crew(servers.ensure_running(), tmp_path)
        with crew.at_work():
            crew.survive("kill -9", servers.fail_over, lambda _: None)
    assert crew.report.problems == []
    (disaster,) = crew.report.disasters
    assert min(disaster.written, disaster.collected, disaster.started, disaster.events) > 5
    assert disaster.failed_writes == disaster.failed_loads == disaster.lost == disaster.gone == 0


def test_what_a_failover_may_take_back_is_neither_shown_nor_answered_with_a_secret() -> None:
    keyring = MasterKeyring([generate_master_key()])
    with pair() as servers, contextlib.ExitStack() as stack:
        address = servers.ensure_running()
        databases = [SingleConnection(Target(address)) for _ in range(3)]
        for database in databases:
            stack.callback(database.close)
        writer, reader = (Registry(database, keyring=keyring) for database in databases[:2])
        bot = writer.accounts.create("bot").stream_id
        assert bot is not None
        writer.credentials.add("bot", "aster", {"api_key": "key-1", "secret_key": "secret-1"})
        loader = stack.enter_context(CredentialLoader(databases[2], keyring=keyring))
        shown = reader.follow()
        assert [next(shown)["position"] for _ in range(2)] == [0, 1]
        servers.stop_standby()
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("SET synchronous_commit = off")  # so others see it too early
            append_raw(connection, "AccountUpdated", ("account", bot), {"description": "new"})
        with ThreadPoolExecutor() as threads:
            event = threads.submit(next, shown)
            secret = threads.submit(loader.release_one, "bot", "aster", Wish())
            time.sleep(4)
            too_early = event.done() or secret.done()
            servers.start_standby()
            assert not too_early
            assert event.result(30)["position"] == 2
            assert secret.result(30).plain()["api_key"] == "key-1"


def test_a_bot_loads_its_key_from_the_standby_and_the_release_before_is_there_too() -> None:
    keyring = MasterKeyring([generate_master_key()])
    with pair() as servers, CredentialLoader(servers.ensure_running(), keyring=keyring) as loader:
        database = SingleConnection(Target(servers.ensure_running()))
        import_aster = {"kind": "import", "account": "main_bot", "value": "1"}
        carry_out(database, keyring, import_aster, Invocation(actor="ann@desk"))
        database.close()
        before = loader.release_one("main_bot", "aster", Wish())
        servers.fail_over()
        after = loader.release_one("main_bot", "aster", Wish())
        with psycopg.connect(servers.ensure_running()) as connection:
            rows = connection.execute(
                "SELECT event_id FROM audit_events WHERE event_type = 'CredentialReleased'"
            )
            recorded = {row[0] for row in rows}
    assert after.plain() == before.plain()
    assert recorded == {before.release_id, after.release_id}


def test_where_no_server_takes_writes_one_that_reads_serves_who_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    with pair() as servers:
        with contextlib.closing(SingleConnection(Target(servers.ensure_running()))) as database:
            # The standby is named first, and is not where this goes.
            Registry(database).accounts.create("bot")
        kill(servers.primary)
        with contextlib.closing(SingleConnection(Target(servers.ensure_running()))) as database:
            list_accounts(database)
            with pytest.raises(DatabaseUnavailable, match="only reads, as a standby does"):
                Registry(database).accounts.create("other")


def test_nothing_is_decided_on_what_a_standby_does_not_show_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The account was acknowledged; a refusal that it is not there would be told for good."""
    monkeypatch.setenv(VARIABLE, "60")  # which nobody waits
    keyring = MasterKeyring([generate_master_key()])
    with pair() as servers:
        with psycopg.connect(servers.standby, autocommit=True) as standby:
            standby.execute("SELECT pg_wal_replay_pause()")
        with contextlib.closing(SingleConnection(Target(servers.ensure_running()))) as database:
            Registry(database).accounts.create("bot")
        with contextlib.closing(SingleConnection(Target(servers.standby))) as database:
            assert list_accounts(database) == []
            with pytest.raises(DatabaseUnavailable, match="only reads, as a standby does"):
                Registry(database).accounts.deactivate("bot")
        with (
            CredentialLoader(servers.standby, keyring=keyring) as loader,
            pytest.raises(DatabaseUnavailable, match="only reads, as a standby does"),
        ):
            loader.load_account_credentials("bot")


def test_a_feed_goes_on_at_a_standby_that_is_promoted_and_knows_a_log_that_lost_its_end(
    tmp_path: Path,
) -> None:
    file = tmp_path / "bookmark"
    with pair() as servers, contextlib.ExitStack() as stack:
        writer = stack.enter_context(Registry.open(servers.ensure_running()))
        reader = stack.enter_context(Registry.open(servers.ensure_running()))
        at_standby = stack.enter_context(Registry.open(servers.standby))
        feeds = [reader.feed(after=-1, bookmark=file), at_standby.feed(after=-1)]
        writer.accounts.create("before")
        assert [next(feed).position for feed in feeds] == [0, 0]
        with psycopg.connect(servers.primary.ensure_running(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            connection.execute("SELECT pg_reload_conf()")
        servers.stop_standby()
        writer.accounts.create("only on the primary's disk")
        assert next(feeds[0]).position == 1
        feeds[0].save()
        kill(servers.primary)
        servers.start_standby()
        servers.promote()
        with pytest.raises(LogIsAnother, match="up to position 1, and it ends at 0"):
            next(feeds[0])
        writer.accounts.create("after")
        assert next(feeds[1]).position == 1
        with pytest.raises(LogIsAnother, match="holds something else"):
            reader.feed(bookmark=file)
