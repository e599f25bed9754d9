"""Rebuild: after any damage, the tables match the log again."""

import contextlib
import json
import uuid
from typing import Any

import psycopg
import pytest
from support.cli import PROJECT
from support.large_log import load_events, many_accounts
from support.registry_tables import add_positions, contents, unguarded

from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.errors import RebuildRunning
from registry.events.credentials import CredentialRemoved
from registry.execution.executor import Invocation
from registry.rebuild.comparison import Options, Report, Watch
from registry.rebuild.rebuild import RebuildService

Connection = psycopg.Connection[Any]
ACCOUNTS = 30


@pytest.fixture
def rebuilt(
    database: SingleConnection, connection: Connection, invocation: Invocation
) -> Connection:
    """A database whose tables follow from a log that was loaded without them."""
    load_events(connection, many_accounts(ACCOUNTS))
    RebuildService(database).rebuild(invocation)
    return connection


def check(database: SingleConnection, **options: Any) -> Report:
    return RebuildService(database, Options(**options)).check()


def test_a_rebuild_makes_every_row_and_says_so_in_the_log(
    database: SingleConnection, rebuilt: Connection
) -> None:
    report = check(database)
    assert (report.differing, report.rows) == (0, 4 * ACCOUNTS)
    last = rebuilt.execute(
        "SELECT event_type, data FROM public.audit_events ORDER BY position DESC LIMIT 1"
    ).fetchone()
    assert last == (
        "ProjectionsRebuilt",
        {
            "size": 8 * ACCOUNTS,
            "tables": {
                "accounts": {"missing": ACCOUNTS, "extra": 0, "changed": 0},
                "account_exchange_credentials": {"missing": ACCOUNTS, "extra": 0, "changed": 0},
                "account_exchange_credential_versions": {
                    "missing": 2 * ACCOUNTS,
                    "extra": 0,
                    "changed": 0,
                },
            },
        },
    )


def test_an_intact_registry_is_checked_without_a_write(
    database: SingleConnection, rebuilt: Connection, invocation: Invocation
) -> None:
    with database.connection() as session:
        session.execute("SET default_transaction_read_only = on")
    assert check(database).differing == 0
    rebuilt.execute("SELECT 1")
    outcome = RebuildService(database).rebuild(invocation)
    assert outcome.position is None


@pytest.mark.parametrize("options", [{"workers": 2}, {"events_per_slice": 50}, {"workers": 3}])
def test_slices_and_processes_find_the_same(
    database: SingleConnection, rebuilt: Connection, options: dict[str, Any]
) -> None:
    with unguarded(rebuilt):
        rebuilt.execute("UPDATE public.accounts SET description = 'x' WHERE account_name < 'bot_2'")
    expected = check(database)
    assert expected.differing > 0
    found = check(database, **options)
    assert (found.counts, found.rows) == (expected.counts, expected.rows)
    assert sorted(row.key for row in found.listed) == sorted(row.key for row in expected.listed)


DAMAGES = {
    "a changed text": "UPDATE public.accounts SET description = E'tab\\t and \\\\' "
    "WHERE account_name = 'bot_1'",
    "a cleared text": "UPDATE public.accounts SET description = NULL WHERE account_name = 'bot_1'",
    "an equal number that is written in another way": "UPDATE public.accounts "
    "SET metadata = jsonb_set(metadata, '{max_positions}', '1.0') WHERE account_name = 'bot_1'",
    "a boolean for a number": "UPDATE public.accounts "
    "SET metadata = jsonb_set(metadata, '{max_positions}', 'true') WHERE account_name = 'bot_1'",
    "a changed time": "UPDATE public.accounts SET updated_at = updated_at + interval '1 us' "
    "WHERE account_name = 'bot_1'",
    "swapped names": "UPDATE public.accounts SET account_name = 'x' WHERE account_name = 'bot_1';"
    "UPDATE public.accounts SET account_name = 'bot_1' WHERE account_name = 'bot_2';"
    "UPDATE public.accounts SET account_name = 'bot_2' WHERE account_name = 'x'",
    "a lost account": "DELETE FROM public.accounts WHERE account_name = 'bot_1'",
    "an unknown account": "INSERT INTO public.accounts VALUES (gen_random_uuid(), 'ghost', NULL, "
    "NULL, TRUE, now(), now())",
    "a name taken by an unknown account": "DELETE FROM public.accounts "
    "WHERE account_name = 'bot_1'; INSERT INTO public.accounts VALUES "
    "(gen_random_uuid(), 'bot_1', NULL, NULL, TRUE, now(), now())",
    "swapped tokens": "UPDATE public.account_exchange_credentials "
    "SET api_key_encrypted = secret_key_encrypted",
    "a moved credential": "UPDATE public.account_exchange_credentials SET exchange_id = 3, "
    "account_id = (SELECT id FROM public.accounts WHERE account_name = 'bot_2') WHERE account_id = "
    "(SELECT id FROM public.accounts WHERE account_name = 'bot_1')",
    "slots that changed hands": "CREATE TEMP TABLE pair AS SELECT id, account_name FROM "
    "public.accounts WHERE account_name IN ('bot_1', 'bot_2');"
    "UPDATE public.account_exchange_credentials SET exchange_id = 4 WHERE account_id = "
    "(SELECT id FROM pair WHERE account_name = 'bot_1');"
    "UPDATE public.account_exchange_credentials SET account_id = (SELECT id FROM pair "
    "WHERE account_name = 'bot_1') WHERE account_id = (SELECT id FROM pair WHERE account_name = "
    "'bot_2');"
    "UPDATE public.account_exchange_credentials SET exchange_id = 2, account_id = (SELECT id FROM "
    "pair WHERE account_name = 'bot_2') WHERE exchange_id = 4",
    "an unknown share": "INSERT INTO public.account_exchange_sharing VALUES (gen_random_uuid(), "
    "(SELECT id FROM public.accounts WHERE account_name = 'bot_1'), "
    "(SELECT id FROM public.accounts WHERE account_name = 'bot_2'), 1, 'full', now(), now())",
    "empty tables": "TRUNCATE public.accounts CASCADE",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_found_named_and_repaired(
    database: SingleConnection, rebuilt: Connection, invocation: Invocation, damage: str
) -> None:
    before = contents(rebuilt)
    with unguarded(rebuilt):
        rebuilt.execute(damage.encode())
    damaged = contents(rebuilt)
    assert damaged != before
    report = check(database)
    assert report.differing > 0
    assert contents(rebuilt) == damaged
    RebuildService(database).rebuild(invocation)
    assert contents(rebuilt) == before
    assert check(database).differing == 0


@pytest.mark.parametrize("index", [True, False], ids=["by index", "without an index"])
def test_of_the_releases_only_the_newest_are_replayed_and_a_forged_use_is_found(
    database: SingleConnection,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    index: bool,
) -> None:
    monkeypatch.syspath_prepend(str(PROJECT / "scripts" / "benchmarks"))
    import biglog

    accounts, credentials, events = 10, 30, 2000
    biglog.fill(connection, events, accounts=accounts)
    if not index:
        connection.execute("DROP INDEX audit_events_by_holder")
    report = check(database)
    replayed = accounts + 2 * credentials if index else events
    assert (report.differing, report.size, report.replayed) == (0, events, replayed)
    with unguarded(connection):
        connection.execute(
            "UPDATE account_exchange_credentials SET last_used = last_used - interval '1 minute' "
            "WHERE id = (SELECT min(id::text)::uuid FROM account_exchange_credentials)"
        )
    assert [list(row.columns) for row in check(database).listed] == [["last_used"]]


def test_tokens_are_shown_as_changed_and_never_printed(
    database: SingleConnection, rebuilt: Connection
) -> None:
    with unguarded(rebuilt):
        rebuilt.execute(
            "UPDATE public.account_exchange_credentials SET api_key_encrypted = 'gAAAAx'"
        )
    report = check(database)
    assert {column for row in report.listed for column in row.columns} == {"api_key_encrypted"}
    assert "gAAAA" not in repr(report)


def test_rows_that_did_not_differ_are_not_touched(
    database: SingleConnection, rebuilt: Connection, invocation: Invocation
) -> None:
    with unguarded(rebuilt):
        rebuilt.execute("UPDATE public.accounts SET description = 'x' WHERE account_name = 'bot_1'")
    before = dict(
        rebuilt.execute("SELECT account_name, xmin::text FROM public.accounts").fetchall()
    )
    RebuildService(database).rebuild(invocation)
    after = dict(rebuilt.execute("SELECT account_name, xmin::text FROM public.accounts").fetchall())
    assert {name for name in after if after[name] != before[name]} == {"bot_1"}


def test_what_the_caller_does_not_approve_is_not_done(
    database: SingleConnection, rebuilt: Connection, invocation: Invocation
) -> None:
    with unguarded(rebuilt):
        rebuilt.execute("DELETE FROM public.accounts")
    damaged = contents(rebuilt)

    def refuse(_: Report) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RebuildService(database).rebuild(invocation, Watch(approve=refuse))
    assert contents(rebuilt) == damaged


def test_events_that_come_during_a_rebuild_are_followed(
    database: SingleConnection, rebuilt: Connection, invocation: Invocation, database_url: str
) -> None:
    from registry import Registry
    from registry.database.target import Target

    with unguarded(rebuilt):
        rebuilt.execute("UPDATE public.accounts SET description = 'x'")
        rebuilt.execute("DELETE FROM public.accounts WHERE account_name = 'bot_3'")

    def meanwhile(_: Report) -> None:
        other = SingleConnection(Target(database_url))
        service = Registry(other).accounts
        service.rename("bot_1", "renamed")
        service.update("bot_2", wallet_address="0xabc")
        service.create("newcomer")
        other.close()

    outcome = RebuildService(database).rebuild(invocation, Watch(approve=meanwhile))
    assert outcome.tail == 3
    assert check(database).differing == 0
    names = {row[0] for row in rebuilt.execute("SELECT account_name FROM public.accounts")}
    assert {"renamed", "newcomer", "bot_3"} <= names


@pytest.mark.parametrize("workers", [1, 2])
def test_missing_rows_that_events_change_meanwhile_come_back_changed(
    database: SingleConnection, rebuilt: Connection, invocation: Invocation, workers: int
) -> None:
    streams = dict(
        rebuilt.execute("SELECT account_name, id FROM public.accounts LIMIT 9").fetchall()
    )
    changed, deleted, *_ = streams
    with unguarded(rebuilt):
        rebuilt.execute("TRUNCATE public.accounts CASCADE")

    def append(event_type: str, name: str, version: int, data: str) -> None:
        rebuilt.execute(
            "SELECT public.append_event(gen_random_uuid(), 'account', %s, %s, %s, 1, %s, 'x', NULL,"
            " gen_random_uuid(), 0, sha256(''), NULL, now())",
            [streams[name], version - 1, event_type, data],
        )

    def meanwhile(_: Report) -> None:
        removed = rebuilt.execute(
            "SELECT data FROM public.audit_events"
            " WHERE stream_id = %s AND event_type = 'CredentialAdded'",
            [streams[deleted]],
        ).fetchone()
        assert removed is not None
        append("AccountUpdated", changed, 9, '{"description": "changed meanwhile"}')
        slot = {name: removed[0][name] for name in CredentialRemoved.model_fields}
        append("CredentialRemoved", deleted, 9, json.dumps(slot))
        append("AccountDeleted", deleted, 10, f'{{"account_name": "{deleted}"}}')

    service = RebuildService(database, Options(workers=workers))
    outcome = service.rebuild(invocation, Watch(approve=meanwhile))
    assert outcome.tail == 3
    assert check(database).differing == 0
    found = dict(
        rebuilt.execute("SELECT account_name, description FROM public.accounts").fetchall()
    )
    assert len(found) == ACCOUNTS - 1
    assert deleted not in found
    assert found[changed] == "changed meanwhile"


@pytest.mark.slow
def test_more_rows_than_a_report_lists_are_all_counted_and_repaired(
    database: SingleConnection, connection: Connection, invocation: Invocation
) -> None:
    accounts = 1_300
    load_events(connection, many_accounts(accounts))
    report = check(database, workers=2)
    assert (len(report.listed), report.differing) == (1_000, 4 * accounts)  # and two versions each
    RebuildService(database).rebuild(invocation)
    with unguarded(connection):
        connection.execute("UPDATE public.accounts SET description = 'x'")
    report = check(database)
    assert report.counts == {("accounts", "changed"): accounts}
    assert len(report.listed) == 1_000
    RebuildService(database).rebuild(invocation)
    assert check(database).differing == 0


def test_a_second_rebuild_says_that_one_is_at_work(
    database: SingleConnection, rebuilt: Connection
) -> None:
    rebuilt.execute("SELECT pg_advisory_lock(7234117002)")
    with pytest.raises(RebuildRunning):
        check(database)
    rebuilt.execute("SELECT pg_advisory_unlock(7234117002)")
    assert check(database).differing == 0


def test_a_rebuild_that_another_one_overtook_changes_nothing(
    database: SingleConnection, rebuilt: Connection, database_url: str, invocation: Invocation
) -> None:
    def meanwhile(_report: Report) -> None:
        with contextlib.closing(SingleConnection(Target(database_url))) as another:
            RebuildService(another).rebuild(invocation)

    with unguarded(rebuilt):
        rebuilt.execute("UPDATE public.accounts SET description = 'damage'")
    with pytest.raises(RebuildRunning, match="has changed the tables meanwhile"):
        RebuildService(database).rebuild(invocation, Watch(approve=meanwhile))
    assert check(database).differing == 0


def test_owners_that_the_bot_has_set_are_recorded_and_not_lost(
    database: SingleConnection, rebuilt: Connection, invocation: Invocation
) -> None:
    position = str(uuid.uuid4())
    add_positions(rebuilt, position)
    rebuilt.execute(
        "UPDATE public.strategy_positions SET account_id = "
        "(SELECT id FROM public.accounts WHERE account_name = 'bot_1')"
    )
    linked = contents(rebuilt)
    report = check(database)
    assert (report.differing, report.unknown_links) == (0, 1)
    assert RebuildService(database).rebuild(invocation).links_recorded == 1
    assert contents(rebuilt) == linked
    rebuilt.execute("UPDATE public.strategy_positions SET account_id = NULL")
    assert check(database).counts == {("strategy_positions", "changed"): 1}
    RebuildService(database).rebuild(invocation)
    assert contents(rebuilt) == linked


def test_an_owner_that_the_log_does_not_know_goes_with_its_positions_kept(
    database: SingleConnection, rebuilt: Connection, invocation: Invocation
) -> None:
    add_positions(rebuilt, str(uuid.uuid4()))
    before = contents(rebuilt)
    with unguarded(rebuilt):
        rebuilt.execute(
            "WITH ghost AS (INSERT INTO public.accounts VALUES (gen_random_uuid(), 'ghost', NULL, "
            "NULL, TRUE, now(), now()) RETURNING id) "
            "UPDATE public.strategy_positions SET account_id = ghost.id FROM ghost"
        )
    RebuildService(database).rebuild(invocation)
    assert contents(rebuilt) == before


def test_an_event_that_changes_nothing_that_is_there_is_skipped_and_told(
    database: SingleConnection, rebuilt: Connection
) -> None:
    rebuilt.execute(
        "SELECT public.append_event(gen_random_uuid(), 'account', gen_random_uuid(), 0, "
        "'AccountDeactivated', 1, '{}', 'x', NULL, gen_random_uuid(), 0, sha256(''), NULL, now())"
    )
    for workers in (1, 2):
        report = check(database, workers=workers)
        assert report.differing == 0
        (skipped,) = report.skipped
        assert (skipped.position, skipped.event_type) == (report.size - 1, "AccountDeactivated")
        assert "a row that no event has made" in skipped.reason


def test_rows_with_later_references_are_repaired_in_place(
    database: SingleConnection, rebuilt: Connection, invocation: Invocation
) -> None:
    rebuilt.execute(
        "CREATE TABLE public.bot_settings (account_id uuid REFERENCES public.accounts "
        "ON DELETE CASCADE)"
    )
    rebuilt.execute("INSERT INTO public.bot_settings SELECT id FROM public.accounts")
    with unguarded(rebuilt):
        rebuilt.execute("UPDATE public.accounts SET account_name = reverse(account_name)")
    RebuildService(database).rebuild(invocation)
    kept = rebuilt.execute("SELECT count(*) FROM public.bot_settings").fetchone()
    assert kept == (ACCOUNTS,)
