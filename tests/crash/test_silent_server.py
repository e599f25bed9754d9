"""A connection that stays open but delivers nothing: the program recovers, or reports it.

TCP detects nothing, as with a proxy or a firewall that has lost its state.
"""

import contextlib
import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from support.bots import login_role
from support.cli import PROJECT, CommandLine
from support.large_log import load_events, many_accounts
from support.proxy import Moment, Proxy
from support.world import World

from registry import Registry
from registry.database import connection as connecting
from registry.database import patience, watched
from registry.database.connection import Connection, connect, registry_errors
from registry.database.copy_out import copy_lines
from registry.database.opening import SingleConnection
from registry.database.patience import VARIABLE
from registry.database.queries import load_queries
from registry.database.target import Target
from registry.errors import DatabaseUnavailable
from registry.loader import CredentialLoader
from registry.log.chunk import CHUNK
from registry.log.rows import copy_rows
from registry.rebuild.comparison import Options
from registry.rebuild.rebuild import RebuildService
from registry.services.audit.verification import Extent, verify
from registry.services.feed.feed import follow
from registry.services.reading.history import HistoryFilter

pytestmark = pytest.mark.slow

NOT_ANSWERED = "the server has not answered for|no answer in time"


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    """A way to the database that can go silent."""
    proxy = Proxy(database_url)
    yield proxy
    proxy.close()


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second means here what several mean otherwise."""
    monkeypatch.setattr(watched.WatchedConnection, "patience", 0.5)
    monkeypatch.setattr(watched._Probe, "patience", 0.5)
    monkeypatch.setattr(watched, "_PROBE_CONNECTS", 2)
    monkeypatch.setattr(connecting, "_CONNECT_SECONDS", 2)
    monkeypatch.setattr(patience, "_SILENCE", 2.5)


@pytest.fixture
def through(proxy: Proxy) -> Iterator[Connection]:
    """A connection through the proxy."""
    with connect(Target(proxy.address)) as opened:
        yield opened


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("new_ones_too", [True, False])
def test_a_statement_without_an_answer_ends_with_an_error_that_says_so(
    proxy: Proxy, through: Connection, new_ones_too: bool
) -> None:
    through.execute("SELECT 1")
    proxy.go_silent(new_ones_too=new_ones_too)
    with pytest.raises(DatabaseUnavailable, match=NOT_ANSWERED), registry_errors(through):
        through.execute("SELECT 1")
    assert through.closed


@pytest.mark.usefixtures("brief")
def test_an_answer_that_is_lost_on_its_way_is_missed_too(
    proxy: Proxy, through: Connection, connection: Connection
) -> None:
    def silence_while_it_works() -> None:
        time.sleep(0.3)
        proxy.go_silent(new_ones_too=False)

    threading.Thread(target=silence_while_it_works).start()
    with pytest.raises(DatabaseUnavailable, match=NOT_ANSWERED), registry_errors(through):
        through.execute("SELECT pg_sleep(1)")


@pytest.mark.usefixtures("brief")
def test_a_statement_may_take_as_long_as_the_server_is_at_work_for_it(
    through: Connection, connection: Connection
) -> None:
    assert through.execute("SELECT pg_sleep(2)").fetchone() == ("",)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(1)")
        waiting = threading.Thread(target=through.execute, args=("SELECT pg_advisory_lock(1)",))
        waiting.start()
        time.sleep(1.5)
    waiting.join()
    assert not through.closed


@pytest.mark.usefixtures("brief")
def test_a_statement_goes_on_although_the_server_is_too_full_to_be_asked(
    proxy: Proxy, database_url: str, connection: Connection
) -> None:
    with login_role(database_url) as login:
        connection.execute(f'ALTER ROLE "{login.name}" CONNECTION LIMIT 1')
        with connect(Target(login.address)) as only:
            assert only.execute("SELECT pg_sleep(2)").fetchone() == ("",)


@pytest.mark.usefixtures("brief")
def test_a_listener_who_is_told_nothing_is_not_taken_for_lost(through: Connection) -> None:
    through.execute("LISTEN nothing_at_all")
    assert list(through.notifies(timeout=2)) == []
    assert through.execute("SELECT 1").fetchone() == (1,)


def test_behind_a_pooler_a_session_that_is_as_long_at_work_may_be_the_one(
    database_url: str, connection: Connection
) -> None:
    unknown = {"pid": -1, "seconds": 0.2}

    def at_work() -> object:
        row = connection.execute(load_queries("registry.database")["at_work"], unknown).fetchone()
        return row and row[0]

    assert at_work() is False
    with psycopg.connect(database_url) as busy:
        sleeping = threading.Thread(target=busy.execute, args=("SELECT pg_sleep(1)",))
        sleeping.start()
        time.sleep(0.5)
        assert at_work() is True
        sleeping.join()


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("moment", ["before commit", "after commit"])
def test_a_command_whose_commit_is_not_answered_is_applied_once(
    proxy: Proxy, connection: Connection, moment: Moment
) -> None:
    with contextlib.closing(SingleConnection(Target(proxy.address))) as database:
        service = Registry(database).accounts
        service.create("first")
        proxy.cut, proxy.cut_is_silent = moment, True
        outcome = service.create("second")
    assert outcome.positions == (1,)
    assert outcome.replayed == (moment == "after commit")
    rows = connection.execute("SELECT account_name FROM accounts ORDER BY 1").fetchall()
    assert rows == [("first",), ("second",)]


@pytest.mark.usefixtures("brief")
def test_a_session_that_was_given_up_keeps_nobody_waiting(
    proxy: Proxy, through: Connection, connection: Connection
) -> None:
    through.execute("BEGIN")
    through.execute("SELECT pg_advisory_lock(1)")
    proxy.go_silent(new_ones_too=False)
    with pytest.raises(DatabaseUnavailable, match=NOT_ANSWERED), registry_errors(through):
        through.execute("SELECT 1")
    assert connection.execute("SELECT pg_try_advisory_lock(1)").fetchone() == (True,)


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("bytes_left", [0, 500, 1000, 2000])
def test_a_load_ends_with_an_error_wherever_the_server_falls_silent(
    proxy: Proxy, world: World, bytes_left: int
) -> None:
    world.account("main_bot", "aster")
    with CredentialLoader(proxy.address, keyring=world.keyring) as loader:
        assert loader.load("main_bot", "aster")
        proxy.bytes_left = bytes_left
        with pytest.raises(DatabaseUnavailable, match=NOT_ANSWERED):
            loader.load("main_bot", "aster")
        proxy.bytes_left = None
        proxy.speak_again()
        assert loader.load("main_bot", "aster")


@pytest.mark.usefixtures("brief")
def test_many_threads_do_not_wait_for_a_silent_server_one_after_the_other(
    proxy: Proxy, world: World
) -> None:
    world.account("main_bot", "aster")
    proxy.go_silent()
    failed: list[DatabaseUnavailable] = []

    def load() -> None:
        with CredentialLoader(proxy.address, keyring=world.keyring) as loader:
            try:
                loader.load("main_bot", "aster")
            except DatabaseUnavailable as error:
                failed.append(error)

    bots = [threading.Thread(target=load) for _ in range(30)]
    for bot in bots:
        bot.start()
    for bot in bots:
        bot.join()
    assert len(failed) == 30
    # Each had two attempts of two seconds, and four connections at once are made.
    assert proxy.connections <= 2 * 4 + 4


@pytest.mark.usefixtures("brief")
def test_a_follower_connects_again_and_misses_nothing(proxy: Proxy, world: World) -> None:
    world.account("before")
    lost: list[str] = []
    with contextlib.closing(SingleConnection(Target(proxy.address))) as database:
        events = follow(database, HistoryFilter(), lost.append)
        seen = [next(events)]
        threading.Timer(0.3, lambda: proxy.go_silent(new_ones_too=False)).start()
        threading.Timer(0.6, lambda: world.account("meanwhile")).start()
        seen += itertools.islice(events, 1)
        world.account("afterwards")
        seen += itertools.islice(events, 1)
    assert [event["position"] for event in seen] == [0, 1, 2]
    assert len(lost) == 1
    assert "the server has not answered for" in lost[0]


@pytest.fixture
def long_log(connection: Connection) -> None:
    """So much that it does not come at once."""
    load_events(connection, many_accounts(2 * CHUNK // 8 + 1))


def lines(connection: Connection) -> object:
    statement = "COPY (SELECT e.data FROM audit_events AS e) TO STDOUT"
    return sum(1 for _ in copy_lines(connection, statement))


def rows(connection: Connection) -> object:
    return sum(map(len, copy_rows(connection, 0, 2 * CHUNK, 100)))


def into(connection: Connection) -> object:
    connection.execute("CREATE TEMPORARY TABLE copied (text text)")
    with connection.cursor().copy("COPY copied FROM STDIN") as copy:
        for _ in range(30_000):
            copy.write(b"x" * 1000 + b"\n")
    return True


@pytest.mark.usefixtures("brief", "long_log")
@pytest.mark.parametrize("work", [lines, rows, into])
def test_a_copy_that_does_not_go_on_ends_with_an_error(
    proxy: Proxy, through: Connection, work: Callable[[Connection], object]
) -> None:
    threading.Timer(0.05, proxy.go_silent).start()
    with pytest.raises(DatabaseUnavailable, match=NOT_ANSWERED), registry_errors(through):
        while True:
            work(through)


@pytest.mark.usefixtures("brief", "long_log")
@pytest.mark.parametrize("processes", [1, 2])
def test_verify_and_rebuild_end_with_an_error_in_one_process_and_in_several(
    proxy: Proxy, processes: int
) -> None:
    extent = Extent(with_keys=False, with_projections=False, processes=processes)
    options = Options(workers=processes)
    with contextlib.closing(SingleConnection(Target(proxy.address))) as database:
        for work in (
            lambda: verify(database, Target(proxy.address), extent),
            lambda: RebuildService(database, options).check(),
        ):
            proxy.bytes_left = 3_000_000
            with pytest.raises(DatabaseUnavailable, match=NOT_ANSWERED):
                work()
            proxy.bytes_left = None
            proxy.speak_again()


def verb(cli: CommandLine, *arguments: str, address: str) -> "subprocess.Popen[str]":
    """A verb in a process of its own, with the patience that users have."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={
            **cli.environment,
            "DATABASE_URL": address,
            VARIABLE: "60",
            "PYTHONPATH": str(PROJECT),
        },
        cwd=cli.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


BOT = """
from registry.errors import DatabaseUnavailable
from registry.loader import CredentialLoader
try:
    CredentialLoader().load("bot", "aster")
except DatabaseUnavailable as error:
    raise SystemExit(f"Error: {error.message}")
"""


def test_no_verb_and_no_bot_hangs_on_a_server_that_accepts_and_says_nothing(
    cli: CommandLine, proxy: Proxy
) -> None:
    cli("create-account", "bot")
    cli.store("bot", "aster")
    proxy.go_silent()
    verbs = [
        ["list-accounts"],
        ["create-account", "new"],
        ["run", "--account", "bot", "--", "true"],
        ["history", "--follow"],
        ["rebuild", "--check"],
        ["verify"],
        ["migrate", "up"],
        ["doctor"],
    ]
    started = [
        verb(cli, "-m", "registry.commands", *words, address=proxy.address) for words in verbs
    ]
    started.append(verb(cli, "-c", BOT, address=proxy.address))
    for process in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode in (1, 6, 7), (process.args, err)
        assert "no answer in time" in out + err


def test_ctrl_c_ends_a_verb_that_waits_for_a_silent_server(
    cli: CommandLine, proxy: Proxy, connection: Connection, tmp_path: Path
) -> None:
    load_events(connection, many_accounts(500))
    proxy.bytes_left = 400_000
    words = ("-m", "registry.commands", "rebuild", "--check")
    process = verb(cli, *words, address=proxy.address)
    deadline = time.monotonic() + 30
    while proxy.bytes_left >= 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.strip() == ""
