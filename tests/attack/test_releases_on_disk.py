"""Threat: Secret before its record.

No secret leaves before its record is on disk, on both kinds of servers.

Our loader confirms its releases between the two steps. For who does not, `collect_releases` flushes
from PostgreSQL 17 on; older servers give nothing.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from support.world import CALLER, World

from registry.database.migrator import Migrator
from registry.database.opening import SingleConnection
from registry.database.scratch import fresh_server
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.services.releases.releases import ReleaseService
from registry.services.releases.resolution import Wish

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]
OLD = 16
REQUEST = """SELECT release_id FROM request_release(
    'bot', NULL, NULL, NULL, NULL, 'actor', 'host', 'purpose')"""
CONFIRM = "SELECT confirm_releases()"
COLLECT = "SELECT outcome, secret_key_encrypted FROM collect_releases(%s)"


@contextlib.contextmanager
def lazy_server(major: int) -> Iterator[str]:
    """A registry on a server whose WAL writer comes too late for everything."""
    with fresh_server(major) as address:
        with psycopg.connect(address, autocommit=True) as connection:
            Migrator(connection).up()
            connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
            # Nor does anybody else flush meanwhile.
            connection.execute("ALTER SYSTEM SET autovacuum = off")
            connection.execute("SELECT pg_reload_conf()")
        yield address


@pytest.fixture(scope="module", params=[OLD, 18])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an old one and of a new one, in turn."""
    with lazy_server(request.param) as address:
        yield address


@pytest.fixture(scope="module")
def world(server: str) -> Iterator[World]:
    """A bot with three credentials."""
    database = SingleConnection(Target(server))
    world = World(database, MasterKeyring([generate_master_key()]))
    world.account("bot", "lighter", "backpack", "aster")
    yield world
    database.close()


@pytest.fixture
def session(server: str, world: World) -> Iterator[Connection]:
    """A connection that waits for no disk."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        yield connection


def is_old(connection: Connection) -> bool:
    return connection.info.server_version < 170000


def request(connection: Connection) -> list[Any]:
    return [release for (release,) in connection.execute(REQUEST)]


def outcomes(connection: Connection, releases: list[Any]) -> set[tuple[str, bool]]:
    """What there is of each, and whether there is a secret."""
    rows = connection.execute(COLLECT, [releases]).fetchall()
    assert len(rows) == len(releases)
    return {(outcome, secret is not None) for outcome, secret in rows}


def flush(server: str) -> None:
    with psycopg.connect(server, autocommit=True) as other:
        other.execute("SELECT pg_logical_emit_message(true, 'test', '')")


def write(session: Connection) -> None:
    """Writes what nobody hurries to flush."""
    session.execute("CREATE TABLE IF NOT EXISTS others AS SELECT 1 AS work")
    session.execute("INSERT INTO others VALUES (2)")


def test_a_secret_waits_for_the_record_of_it(server: str, session: Connection) -> None:
    releases = request(session)
    if is_old(session):
        assert outcomes(session, releases) == {("not_durable", False)}
        assert outcomes(session, releases) == {("not_durable", False)}
        flush(server)
    written = session.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
    assert outcomes(session, releases) <= {("ok", True), ("ok", False)}
    assert written is not None
    flushed = session.execute(
        "SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn - 64", [written[0]]
    ).fetchone()
    assert flushed == (True,)


def test_what_others_write_meanwhile_delays_nobody(server: str, session: Connection) -> None:
    """On an old server one flush is enough, although the log of the server goes on."""
    releases = request(session)
    if is_old(session):
        assert outcomes(session, releases) == {("not_durable", False)}
    flush(server)
    write(session)
    assert ("not_durable", False) not in outcomes(session, releases)


def test_no_load_waits_for_the_wal_writer(server: str, world: World) -> None:
    """It would take ten seconds for each credential; the server would end the load before."""
    with psycopg.connect(server, autocommit=True) as busy:
        busy.execute("SET synchronous_commit = off")
        busy.execute("CREATE TABLE IF NOT EXISTS others AS SELECT 1 AS work")
        with world.database.connection() as connection:
            connection.execute("SET statement_timeout = '600ms'")
        for _ in range(5):
            busy.execute("INSERT INTO others VALUES (2)")
            released = ReleaseService(world.database, world.keyring).release(
                "bot", None, Wish(), CALLER
            )
            assert sorted(released.credentials) == ["aster", "backpack", "lighter"]
            assert released.problems == {}


def test_one_that_is_not_durable_holds_the_others_back(server: str, session: Connection) -> None:
    durable = request(session)
    flush(server)
    late = request(session)
    if is_old(session):
        assert outcomes(session, durable + late) == {("not_durable", False)}
        flush(server)
    assert ("not_durable", False) not in outcomes(session, durable + late)
    with pytest.raises(psycopg.Error, match="collected already"):
        outcomes(session, late)


def test_a_release_that_was_asked_for_too_early_is_revoked_all_the_same(
    server: str, session: Connection, world: World
) -> None:
    releases = request(session)
    outcomes(session, releases[:1])
    world.accounts.deactivate("bot")
    flush(server)
    try:
        assert outcomes(session, releases[1:]) == {("changed", False)}
    finally:
        world.accounts.reactivate("bot")


def is_on_disk(session: Connection, releases: list[Any]) -> bool:
    """Whether the server has written its log up to the events' commits, or further."""
    row = session.execute(
        "SELECT bool_and(m.place <= pg_current_wal_flush_lsn()) FROM log_marks AS m WHERE m.size > "
        "(SELECT max(e.position) FROM audit_events AS e WHERE e.event_id = ANY (%s))",
        [releases],
    ).fetchone()
    return row == (True,)


def test_who_confirms_waits_once_and_collects_while_others_write(
    server: str, session: Connection
) -> None:
    """Whatever others have written and not flushed since."""
    releases = request(session)
    session.execute(CONFIRM)
    assert is_on_disk(session, releases)
    write(session)
    assert is_behind(session)
    assert ("not_durable", False) not in outcomes(session, releases)
    assert is_behind(session), "collecting has flushed nothing"


def place(connection: Connection, function: str = "pg_current_wal_insert_lsn") -> int:
    """A place in the WAL, in bytes."""
    statement = f"SELECT {function}() - '0/0'".encode()
    return int(connection.execute(statement).fetchall()[0][0])


def is_behind(session: Connection) -> bool:
    """Whether something is written and not on disk."""
    row = session.execute(
        "SELECT pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn() + 64"
    ).fetchone()
    return row == (True,)


def test_one_confirmation_does_for_all_that_were_committed_before_it(
    server: str, session: Connection
) -> None:
    releases = request(session)
    with psycopg.connect(server, autocommit=True) as other:
        other.execute(CONFIRM)
    write(session)
    assert ("not_durable", False) not in outcomes(session, releases)


@pytest.mark.parametrize(
    "before", [True, False], ids=["committed too late", "not committed at all"]
)
def test_a_confirmation_covers_nothing_that_was_not_committed_before_it(
    server: str, session: Connection, before: bool
) -> None:
    with psycopg.connect(server, autocommit=True) as other:
        if before:
            other.execute(CONFIRM)
            releases = request(session)
        else:
            session.execute("BEGIN")
            releases = request(session)
            with pytest.raises(psycopg.Error, match="after the transaction that requested it"):
                session.execute(CONFIRM)
            session.execute("ROLLBACK")
            other.execute(CONFIRM)
            with pytest.raises(psycopg.Error, match="no release"):
                outcomes(session, releases)
            releases = request(session)
    if is_old(session):
        assert outcomes(session, releases) == {("not_durable", False)}
    else:
        assert is_behind(session)
        written = place(session)
        assert ("not_durable", False) not in outcomes(session, releases)
        assert place(session, "pg_current_wal_flush_lsn") >= written


@pytest.mark.parametrize("setting", ["off", "local"])
def test_a_confirmation_whose_commit_does_not_wait_gains_nothing(
    session: Connection, setting: str
) -> None:
    """Who speaks SQL can take back what the function has set. The place in the log decides."""
    releases = request(session)
    session.execute("BEGIN")
    session.execute(CONFIRM)
    session.execute(f"SET LOCAL synchronous_commit = {setting}".encode())
    session.execute("COMMIT")
    if setting == "local":
        assert is_on_disk(session, releases)
    elif is_old(session):
        assert outcomes(session, releases) == {("not_durable", False)}
    else:
        assert ("not_durable", False) not in outcomes(session, releases)
        assert is_on_disk(session, releases)


def test_a_mark_of_a_confirmation_that_was_rolled_back_is_none(
    server: str, session: Connection
) -> None:
    releases = request(session)
    with psycopg.connect(server) as other:
        other.execute(CONFIRM)
        other.rollback()
    assert not is_on_disk(session, releases)


@pytest.mark.parametrize("major", [OLD, 18])
def test_a_commit_that_ends_just_behind_a_page_is_not_taken_for_one_on_disk(major: int) -> None:
    """The WAL writer stops at the page's start, and the last bytes of the commit are behind it."""
    with fresh_server(major) as address, psycopg.connect(address, autocommit=True) as session:
        Migrator(session).up()
        with contextlib.closing(SingleConnection(Target(address))) as database:
            World(database, MasterKeyring([generate_master_key()])).account("bot", "backpack")
        session.execute("SET synchronous_commit = off")
        tried, commit, padding = 0, 40, 64
        for _ in range(400):
            session.execute("BEGIN")
            release = session.execute(REQUEST).fetchone()
            before = place(session)
            # So long that the commit's record would end 16 bytes behind the next page's header.
            length = (8192 + 16 - commit - padding - before) % 8192
            message = "SELECT pg_logical_emit_message(false, '', repeat('x', %s))"
            session.execute(message, [length])
            start = place(session)
            session.execute("COMMIT")
            end = place(session)
            if end % 8192 not in (32, 40):
                padding += (start - before - length) - padding
                commit = end - start if start // 8192 == end // 8192 else commit
                continue
            while (flushed := place(session, "pg_current_wal_flush_lsn")) < end - end % 8192:
                pass
            (outcome, secret) = session.execute(COLLECT, [[*(release or ())]]).fetchall()[0]
            on_disk = place(session, "pg_current_wal_flush_lsn")
            assert secret is None or on_disk >= end, (outcome, flushed, end)
            tried += flushed < end
            if tried == 3:
                break
    assert tried, "no commit was caught in the moment that this is about"
