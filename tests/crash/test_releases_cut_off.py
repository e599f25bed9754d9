"""A release whose second half does not come: the server dies, or a standby is away."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.pair import Pair, pair
from support.soak import kill
from support.world import World

from registry.database.embedded import EmbeddedServer
from registry.database.migrator import Migrator
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.loader import CredentialLoader

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]

LATER = "SET synchronous_commit = off"
REQUEST = """SELECT release_id FROM request_releases(
    'bot', NULL, NULL, NULL, NULL, 'actor', 'host', 'purpose')"""
CONFIRM = "SELECT confirm_releases()"
COLLECT = "SELECT outcome, wrapped_key IS NOT NULL FROM collect_releases(%s)"
KEYS = ["aster", "backpack", "lighter"]


def fill(address: str) -> MasterKeyring:
    """Stores a bot's three credentials; returns their master key."""
    keyring = MasterKeyring([generate_master_key()])
    with contextlib.closing(SingleConnection(Target(address))) as database:
        world = World(database, keyring)
        world.account("bot", *KEYS)
    return keyring


@pytest.fixture
def lazy() -> Iterator[EmbeddedServer]:
    """A server that writes its log to the disk only when somebody waits for it."""
    with tempfile.TemporaryDirectory(prefix="account-registry-cut-off-") as folder:
        server = EmbeddedServer(Path(folder))
        try:
            with psycopg.connect(server.ensure_running(), autocommit=True) as connection:
                Migrator(connection).up()
                connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
                connection.execute("ALTER SYSTEM SET autovacuum = off")
                connection.execute("SELECT pg_reload_conf()")
            fill(server.ensure_running())
            yield server
        finally:
            server.stop()


def request(connection: Connection) -> list[Any]:
    connection.execute(LATER)
    return [release for (release,) in connection.execute(REQUEST)]


def recorded(connection: Connection, releases: list[Any]) -> int:
    row = connection.execute(
        "SELECT count(*) FROM audit_events WHERE event_id = ANY (%s)", [releases]
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_release_that_a_crash_took_away_cannot_be_collected(lazy: EmbeddedServer) -> None:
    with psycopg.connect(lazy.ensure_running(), autocommit=True) as connection:
        releases = request(connection)
        assert recorded(connection, releases) == len(KEYS)
        kill(lazy)
    with psycopg.connect(lazy.ensure_running(), autocommit=True) as connection:
        assert recorded(connection, releases) == 0
        with pytest.raises(psycopg.Error, match="no release"):
            connection.execute(COLLECT, [releases])


def test_a_release_that_was_confirmed_survives_a_crash(lazy: EmbeddedServer) -> None:
    """The marks do not: it is confirmed again, or the server flushes for it."""
    with psycopg.connect(lazy.ensure_running(), autocommit=True) as connection:
        releases = request(connection)
        connection.execute(CONFIRM)
        kill(lazy)
    with psycopg.connect(lazy.ensure_running(), autocommit=True) as connection:
        assert recorded(connection, releases) == len(KEYS)
        assert connection.execute("SELECT count(*) FROM log_marks").fetchone() == (0,)
        assert connection.execute(COLLECT, [releases]).fetchall() == [("ok", True)] * len(KEYS)


def test_a_client_that_ends_between_the_steps_leaves_a_record_and_no_lock(
    lazy: EmbeddedServer,
) -> None:
    with psycopg.connect(lazy.ensure_running(), autocommit=True) as connection:
        releases = request(connection)
    with psycopg.connect(lazy.ensure_running(), autocommit=True) as connection:
        connection.execute("SET lock_timeout = '100ms'")
        assert len(request(connection)) == len(KEYS)
        assert recorded(connection, releases) == len(KEYS)
        assert connection.execute("SELECT count(*) FROM release_collections").fetchone() == (0,)


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    """A primary with a synchronous standby."""
    with pair() as started:
        yield started


@pytest.fixture(scope="module")
def keyring(servers: Pair) -> MasterKeyring:
    """The master key of the bot there."""
    return fill(servers.primary.ensure_running())


@pytest.fixture
def alone(servers: Pair) -> Iterator[Connection]:
    """A session on the primary, whose standby is away; what it writes waits for nobody."""
    servers.stop_standby()
    try:
        with psycopg.connect(servers.primary.ensure_running(), autocommit=True) as connection:
            connection.execute(LATER)
            yield connection
    finally:
        with contextlib.suppress(Exception):
            servers.start_standby()


def waits_for_the_standby(connection: Connection) -> bool:
    query = "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    return connection.execute(query).fetchone() is not None


@pytest.mark.parametrize("setting", ["on", "off", "local"])
def test_no_secret_leaves_while_the_synchronous_standby_is_away(
    servers: Pair, keyring: MasterKeyring, alone: Connection, setting: str
) -> None:
    """Whatever the login's own setting is. Nobody else waits: the log's lock is free."""
    before = alone.execute("SELECT count(*) FROM release_collections").fetchone()
    address = servers.primary.ensure_running()
    with login_role_without_waiting(alone, address, setting) as login, ThreadPoolExecutor() as pool:
        loader = CredentialLoader(login, keyring=keyring)
        load = pool.submit(loader.load_account_credentials, "bot")
        while not waits_for_the_standby(alone):
            time.sleep(0.01)
            assert not load.done()
        alone.execute("SET lock_timeout = '1s'")
        assert len(request(alone)) == len(KEYS)
        time.sleep(0.5)
        assert not load.done()
        assert alone.execute("SELECT count(*) FROM release_collections").fetchone() == before
        servers.start_standby()
        assert sorted(load.result()) == KEYS
        loader.close()
        with psycopg.connect(servers.standby, autocommit=True) as standby:
            query = "SELECT event_id FROM audit_events WHERE event_type = 'CredentialReleased'"
            there = {row[0] for row in standby.execute(query)}
        query = "SELECT release_id FROM release_collections"
        assert there >= {row[0] for row in alone.execute(query)}


@contextlib.contextmanager
def login_role_without_waiting(connection: Connection, address: str, setting: str) -> Iterator[str]:
    """A login whose own setting this is."""
    connection.execute("DROP ROLE IF EXISTS waiting")
    connection.execute("CREATE ROLE waiting LOGIN IN ROLE registry_operator")
    connection.execute(f"ALTER ROLE waiting SET synchronous_commit = {setting}".encode())
    yield make_conninfo(address, user="waiting")
    connection.execute("DROP ROLE waiting")


@pytest.mark.usefixtures("keyring")
def test_who_confirms_nothing_is_given_nothing_where_a_standby_counts(alone: Connection) -> None:
    """The server can flush its own disk in the function, and not the standby's."""
    releases = request(alone)
    assert alone.execute(COLLECT, [releases]).fetchall() == [("not_durable", False)] * len(KEYS)
