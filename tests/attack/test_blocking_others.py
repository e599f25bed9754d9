"""Threat: Blocking others.

A login holds locks, keeps transactions open or floods a channel, so that other sessions wait.
Much of the threat remains. The tests show how much, and that nothing but time is lost.
"""

import contextlib
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.bots import LoginRole, login_role
from support.raw_events import append_raw
from support.world import BY, World

from registry.database.embedded import EmbeddedServer
from registry.database.migrator import Migrator
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.errors import RebuildRunning, RegistryBusy, RegistryError
from registry.rebuild.rebuild import RebuildService
from registry.services.changes.sessions import Holder, end_session, record_end
from registry.services.reading.history import HistoryFilter, history

Connection = psycopg.Connection[Any]

REQUEST = """SELECT release_id FROM public.request_release(
    'mallory', NULL, NULL, NULL, NULL, 'a', 'h', 'p')"""
MIGRATING, REBUILDING, FOLLOWING = 7234117001, 7234117002, 7234117009
APPENDING = 7234117010


@pytest.fixture
def mallory(world: World, bot: LoginRole) -> Iterator[Connection]:
    """A bot that may use its own account."""
    world.account("mallory", "backpack")
    world.account("victim", "backpack")
    world.access.grant("mallory", bot.name)
    with bot.connect() as connection:
        yield connection


@pytest.fixture
def impatient(database_url: str) -> Iterator[SingleConnection]:
    """A database whose sessions wait a moment for a lock, and no longer."""
    options = "-c lock_timeout=200ms"
    opened = SingleConnection(Target(make_conninfo(database_url, options=options)))
    yield opened
    opened.close()


@pytest.fixture
def operator(database_url: str) -> Iterator[SingleConnection]:
    """A login that runs commands, and has no other rights."""
    with login_role(database_url, "registry_operator") as role:
        opened = SingleConnection(Target(role.address))
        yield opened
        opened.close()


def append(world: World, name: str) -> None:
    world.account(name)


def test_what_remains_an_open_request_makes_commands_wait_and_a_time_limit_ends_it(
    mallory: Connection, impatient: SingleConnection, world: World
) -> None:
    mallory.execute("BEGIN")
    mallory.execute(REQUEST)
    waiting = World(impatient, world.keyring)
    with pytest.raises(RegistryError):
        append(waiting, "late")
    mallory.execute("ROLLBACK")
    append(waiting, "late")


def test_the_servers_limit_on_idle_transactions_frees_the_log(
    mallory: Connection, world: World
) -> None:
    mallory.execute("SET idle_in_transaction_session_timeout = '100ms'")
    mallory.execute("BEGIN")
    mallory.execute(REQUEST)
    append(world, "late")  # waits for the lock, and gets it when the session is ended
    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        mallory.execute("SELECT 1")


def test_reading_goes_on_while_the_log_is_locked(
    mallory: Connection, impatient: SingleConnection
) -> None:
    mallory.execute("BEGIN")
    mallory.execute(REQUEST)
    with impatient.connection() as connection:
        row = connection.execute("SELECT count(*) FROM accounts").fetchone()
    assert row == (2,)


def test_what_remains_anybody_can_take_the_advisory_locks_and_so_delay_administration(
    mallory: Connection, impatient: SingleConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """Advisory locks have no privileges. They order our own programs, and guard nothing."""
    mallory.execute("SELECT pg_advisory_lock(%s), pg_advisory_lock(%s)", [MIGRATING, REBUILDING])
    with (
        impatient.connection() as connection,
        pytest.raises(RegistryError, match="locked for too long"),
    ):
        Migrator(connection).up()
    assert f"waiting for another migration: session {mallory.info.backend_pid}" in caplog.text
    with pytest.raises(RebuildRunning):
        RebuildService(impatient).rebuild(BY)
    assert is_seen_to_hold_them(impatient, mallory)


def is_seen_to_hold_them(database: SingleConnection, holder: Connection) -> bool:
    """Whether the administrator sees whose session holds the locks."""
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT l.pid FROM pg_locks AS l WHERE l.locktype = 'advisory' AND l.granted "
            "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchall()
    return (holder.info.backend_pid,) in rows


def test_the_lock_of_followers_delays_no_append_and_loses_no_event(
    mallory: Connection, impatient: SingleConnection, world: World
) -> None:
    mallory.execute("SELECT pg_advisory_lock(%s)", [FOLLOWING])
    append(World(impatient, world.keyring), "on time")
    with impatient.connection() as connection:
        connection.execute("LISTEN account_registry_events")
        append(world, "again")
        assert len(list(connection.notifies(timeout=5, stop_after=1))) == 1


@pytest.mark.slow
def test_a_full_queue_of_messages_fails_no_command(keyring: MasterKeyring) -> None:
    """Who listens and keeps a transaction open lets nothing out of it."""
    with (
        server_with("max_notify_queue_pages = 64") as address,  # it is soon full
        contextlib.closing(SingleConnection(Target(address))) as database,
        login_role(address, "registry_bot") as role,
        role.connect() as listener,
        role.connect() as flood,
    ):
        world = World(database, keyring)
        world.account("before")
        listener.execute("LISTEN account_registry_events")
        listener.execute("SELECT pg_advisory_lock_shared(7234117009)")
        listener.execute("BEGIN")
        listener.execute("SELECT 1")
        with pytest.raises(psycopg.Error, match="too many notifications"):
            while True:
                flood.execute(
                    "SELECT pg_notify('x', repeat('x', 7000) || gen_random_uuid()) "
                    "FROM generate_series(1, 5)"
                )
        world.account("meanwhile")


def test_no_transaction_that_holds_the_log_outlives_its_session_and_what_does_is_named(
    keyring: MasterKeyring,
) -> None:
    """Where the server lets every login prepare transactions for two-phase commit."""
    with (
        server_with("max_prepared_transactions = 4") as address,
        contextlib.closing(SingleConnection(Target(address))) as database,
        login_role(address, "registry_bot") as bot,
    ):
        world = World(database, keyring)
        world.account("mallory", "backpack")
        world.access.grant("mallory", bot.name)
        with bot.connect() as session:
            session.execute("BEGIN")
            session.execute(REQUEST.encode())
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="NOTIFY"):
                session.execute("PREPARE TRANSACTION 'held'")
        world.account("meanwhile")
        with bot.connect() as session:
            session.execute("BEGIN")
            session.execute("LOCK TABLE public.strategy_positions IN SHARE MODE")
            session.execute("PREPARE TRANSACTION 'it''s held'")
        (told,) = (finding for finding in world.doctor() if finding.check == "locks")
        assert told.message.startswith(f"the prepared transaction 'it''s held' of {bot.name} keeps")
        with psycopg.connect(address, autocommit=True) as administrator:
            administrator.execute((told.hint or "").partition("database: ")[2].encode())
        assert [finding for finding in world.doctor() if finding.check == "locks"] == []


@contextlib.contextmanager
def server_with(setting: str) -> Iterator[str]:
    """The address of a registry in a server of its own, with this setting."""
    with tempfile.TemporaryDirectory(prefix="account-registry-queue-") as folder:
        server = EmbeddedServer(Path(folder))
        try:
            with psycopg.connect(server.ensure_running(), autocommit=True) as connection:
                Migrator(connection).up()
                connection.execute(f"ALTER SYSTEM SET {setting}".encode())
            server.stop()
            yield server.ensure_running()
        finally:
            server.stop()


@pytest.mark.parametrize("function", ["pg_advisory_lock", "pg_advisory_lock_shared"])
def test_the_lock_of_those_who_append_delays_no_append(
    mallory: Connection, impatient: SingleConnection, world: World, function: str
) -> None:
    """It only tells them that they are not alone, so that they flush after the commit."""
    mallory.execute(f"SELECT {function}(%s)".encode(), [APPENDING])
    append(World(impatient, world.keyring), "on time")


def test_a_forged_message_wakes_a_follower_and_tells_it_nothing(
    mallory: Connection, database_url: str
) -> None:
    """Messages are empty, and whoever wakes reads the log: there is nothing to forge."""
    with psycopg.connect(database_url, autocommit=True) as follower:
        follower.execute("LISTEN account_registry_events")
        mallory.execute("NOTIFY account_registry_events, 'forged'")
        list(follower.notifies(timeout=5, stop_after=1))
        row = follower.execute("SELECT size FROM audit_head").fetchone()
    assert row == (5,)


def test_a_lock_on_positions_stops_other_bots_but_no_command_and_no_release(
    mallory: Connection, impatient: SingleConnection, world: World
) -> None:
    """What remains: whoever may update a table may lock it."""
    mallory.execute("BEGIN")
    mallory.execute("LOCK TABLE public.strategy_positions IN ACCESS EXCLUSIVE MODE")
    append(World(impatient, world.keyring), "on time")
    with impatient.connection() as connection:
        assert connection.execute(
            "SELECT outcome FROM request_release('victim', NULL, NULL, NULL, NULL, 'a', 'h', 'p')"
        ).fetchall() == [("ok",)]
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("SELECT count(*) FROM strategy_positions")


@pytest.mark.parametrize(
    "table",
    [
        "audit_events",
        "audit_head",
        "accounts",
        "account_exchange_credentials",
        "account_access",
        "release_answers",
        "log_marks",
    ],
)
@pytest.mark.parametrize("mode", ["ACCESS SHARE", "SHARE UPDATE EXCLUSIVE", "ACCESS EXCLUSIVE"])
def test_a_bot_cannot_lock_the_registrys_own_tables(
    mallory: Connection, table: str, mode: str
) -> None:
    mallory.execute("BEGIN")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        mallory.execute(f"LOCK TABLE public.{table} IN {mode} MODE".encode())


def test_a_bot_cannot_end_the_sessions_of_others(
    mallory: Connection, connection: Connection
) -> None:
    for call in ("pg_terminate_backend", "pg_cancel_backend"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            mallory.execute(f"SELECT {call}(%s)", [connection.info.backend_pid])


LOCKING = {
    "standing still": ["BEGIN", REQUEST],
    "in a savepoint": ["BEGIN", "SAVEPOINT s", REQUEST, "RELEASE s"],
    "with no limit": ["SET idle_in_transaction_session_timeout = 0", "BEGIN", REQUEST],
}


@pytest.mark.parametrize("statements", LOCKING.values(), ids=LOCKING)
def test_an_operator_ends_the_session_that_holds_the_log_and_the_record_says_so(
    mallory: Connection,
    bot: LoginRole,
    world: World,
    operator: SingleConnection,
    statements: list[str],
) -> None:
    for statement in statements:
        mallory.execute(statement.encode())
    (holder,) = holders(operator)
    assert (holder.pid, holder.role) == (mallory.info.backend_pid, bot.name)
    assert end_session(operator, holder)
    with pytest.raises(psycopg.OperationalError):
        mallory.execute("SELECT 1")
    record_end(operator, holder, BY)
    append(world, "late")
    (ended,) = history(operator, HistoryFilter(event_type="SessionEnded"))
    assert (ended["data"]["role"], ended["actor"]) == (bot.name, BY.actor)
    assert holders(operator) == []


def test_a_holder_that_waits_for_its_own_second_session_is_found_all_the_same(
    mallory: Connection, bot: LoginRole, operator: SingleConnection
) -> None:
    with bot.connect() as second, ThreadPoolExecutor() as pool:
        second.execute("SELECT pg_advisory_lock(4711)")
        mallory.execute("BEGIN")
        mallory.execute(REQUEST)
        waiting = pool.submit(mallory.execute, b"SELECT pg_advisory_lock(4711)")
        while not is_waiting(second, mallory):
            assert not waiting.done()
        (holder,) = holders(operator)
        assert holder.pid == mallory.info.backend_pid
        assert end_session(operator, holder)
        assert isinstance(waiting.exception(), psycopg.OperationalError)


def test_what_cannot_be_recorded_since_another_session_took_the_log_is_said(
    mallory: Connection, bot: LoginRole, operator: SingleConnection, impatient: SingleConnection
) -> None:
    mallory.execute("BEGIN")
    mallory.execute(REQUEST)
    with bot.connect() as second, ThreadPoolExecutor() as pool:
        second.execute("BEGIN")
        waiting = pool.submit(second.execute, REQUEST.encode())
        (holder,) = holders(operator)
        assert end_session(operator, holder)
        waiting.result()
        with pytest.raises(RegistryBusy, match=f"session {holder.pid} was ended"):
            record_end(impatient, holder, BY)
        assert [holder.pid for holder in holders(operator)] == [second.info.backend_pid]
    mallory.close()


def test_who_waits_for_the_log_does_not_hold_it(
    mallory: Connection, operator: SingleConnection, database_url: str
) -> None:
    mallory.execute("BEGIN")
    mallory.execute(REQUEST)
    with (
        psycopg.connect(database_url) as late,
        ThreadPoolExecutor() as pool,
        psycopg.connect(database_url, autocommit=True) as watcher,
    ):
        waiting = pool.submit(late.execute, b"SELECT FROM audit_head FOR UPDATE")
        while not is_waiting(watcher, late):
            assert not waiting.done()
        assert [holder.pid for holder in holders(operator)] == [mallory.info.backend_pid]
        mallory.execute("ROLLBACK")
        waiting.result()


def test_an_operator_cannot_end_a_session_that_does_not_hold_the_log(
    mallory: Connection, operator: SingleConnection
) -> None:
    mallory.execute("BEGIN")
    mallory.execute(REQUEST)
    (holder,) = holders(operator)
    assert not end_session(operator, replace(holder, started=None))  # another, of the same number
    mallory.execute("ROLLBACK")
    assert not end_session(operator, holder)
    assert mallory.execute("SELECT 1").fetchone() == (1,)
    with operator.connection() as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT pg_terminate_backend(%s)", [holder.pid])


@pytest.mark.parametrize("role", ["registry_bot", "registry_auditor"])
def test_nobody_else_may_end_a_session(mallory: Connection, database_url: str, role: str) -> None:
    mallory.execute("BEGIN")
    mallory.execute(REQUEST)
    with login_role(database_url, role) as login, login.connect() as session:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SELECT end_log_holder(%s, now())", [mallory.info.backend_pid])


def holders(database: SingleConnection) -> list[Holder]:
    """Who holds the log, however briefly."""
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT pid, role, application, client, state, started, since FROM log_holders()"
        ).fetchall()
    return [Holder(*row) for row in rows]


FALLBACK = "SELECT public.record_fallback('mallory', 'backpack', 'MALLORY', 'x', 'a', 'h', 'p')"


@pytest.mark.parametrize("statement", [REQUEST, FALLBACK], ids=["release", "fallback"])
def test_a_login_that_may_not_use_the_account_is_refused_without_the_lock(
    mallory: Connection,
    database_url: str,
    impatient: SingleConnection,
    world: World,
    statement: str,
) -> None:
    with login_role(database_url, "registry_bot") as stranger, stranger.connect() as session:
        session.execute("BEGIN")
        session.execute(statement.encode())
        append(World(impatient, world.keyring), "on time")


def test_a_login_that_may_not_use_the_account_does_not_wait_for_the_lock(
    mallory: Connection, database_url: str
) -> None:
    with login_role(database_url, "registry_bot") as stranger, stranger.connect() as session:
        mallory.execute("BEGIN")
        mallory.execute(REQUEST)
        session.execute("SET lock_timeout = '200ms'")
        row = session.execute(REQUEST.replace("release_id", "outcome").encode()).fetchone()
    assert row == ("not_permitted",)


def test_what_is_taken_away_while_a_request_waits_for_the_lock_is_refused(
    mallory: Connection, bot: LoginRole, database_url: str, world: World
) -> None:
    """The look before the lock is not the decision."""
    with (
        psycopg.connect(database_url) as holder,
        ThreadPoolExecutor() as pool,
        psycopg.connect(database_url, autocommit=True) as watcher,
    ):
        holder.execute("SELECT FROM audit_head FOR UPDATE")
        request = REQUEST.replace("release_id", "outcome").encode()
        asked = pool.submit(lambda: mallory.execute(request).fetchall())
        while not is_waiting(watcher, mallory):
            assert not asked.done()
        take_away(holder, bot.name)
        holder.commit()
        assert asked.result() == [("not_permitted",)]


def test_what_was_decided_before_the_lock_is_decided_again_if_more_than_releases_was_appended(
    mallory: Connection, database_url: str
) -> None:
    with (
        psycopg.connect(database_url) as holder,
        ThreadPoolExecutor() as pool,
        psycopg.connect(database_url, autocommit=True) as watcher,
    ):
        holder.execute("SELECT FROM audit_head FOR UPDATE")
        request = REQUEST.replace("release_id", "outcome").encode()
        asked = pool.submit(lambda: mallory.execute(request).fetchall())
        while not is_waiting(watcher, mallory):
            assert not asked.done()
        append_raw(holder, "CredentialDeactivated", ("account", uuid.uuid4()), {})
        holder.execute("UPDATE account_exchange_credentials SET is_active = FALSE")
        holder.commit()
        assert asked.result() == [("credential_inactive",)]


@contextlib.contextmanager
def victims_session(world: World, database_url: str) -> Iterator[Connection]:
    with login_role(database_url, "registry_bot") as role, role.connect() as session:
        world.access.grant("victim", role.name)
        yield session


PLACED = REQUEST.replace("release_id", "release_id, event_position")
VICTIMS = PLACED.replace("mallory", "victim")
OUTCOME = b"SELECT outcome FROM collect_releases(%s)"


def confirmed(session: Connection, request: str = PLACED, every: int = 1) -> uuid.UUID:
    """A release that can be collected, whose position is a multiple of this number."""
    while True:
        ((release, position),) = session.execute(request.encode()).fetchall()
        if position % every == 0:
            session.execute("SELECT confirm_releases()")
            return uuid.UUID(str(release))


def test_who_keeps_a_collection_open_makes_no_other_load_wait(
    mallory: Connection, world: World, database_url: str, connection: Connection
) -> None:
    """Every 64th collection removes old ones, as this does, which then stays open."""
    mallory.execute(OUTCOME, [[confirmed(mallory)]])
    connection.execute("UPDATE release_collections SET asked_at = asked_at - interval '1 hour'")
    with victims_session(world, database_url) as victim:
        victim.execute("SET lock_timeout = '2s'")
        release = confirmed(mallory, every=64)
        mallory.execute("BEGIN")
        mallory.execute(OUTCOME, [[release]])
        release = confirmed(victim, VICTIMS, every=64)
        assert victim.execute(OUTCOME, [[release]]).fetchall() == [("ok",)]


def test_who_collects_from_an_old_snapshot_makes_no_load_fail(
    mallory: Connection, world: World, database_url: str
) -> None:
    """Two locks in two orders would be a deadlock, which the one who waits longer loses."""
    release = confirmed(mallory)
    with (
        victims_session(world, database_url) as victim,
        ThreadPoolExecutor() as pool,
        psycopg.connect(database_url, autocommit=True) as watcher,
    ):
        mallory.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        mallory.execute(OUTCOME, [[release]])
        asked = pool.submit(victim.execute, VICTIMS.encode())
        while not is_waiting(watcher, victim):
            assert not asked.done()
        mallory.execute(REQUEST)
        mallory.execute("ROLLBACK")
        assert len(asked.result().fetchall()) == 1


def test_a_request_that_gives_nothing_holds_nothing(
    mallory: Connection, impatient: SingleConnection, world: World
) -> None:
    mallory.execute("BEGIN")
    mallory.execute(REQUEST.replace("'mallory', NULL", "'mallory', '{nowhere}'").encode())
    append(World(impatient, world.keyring), "on time")


def test_who_holds_the_log_without_an_event_is_ended_too_when_it_stands_still(
    mallory: Connection,
) -> None:
    release = confirmed(mallory)
    mallory.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    mallory.execute(OUTCOME, [[release]])
    shown = mallory.execute("SHOW idle_in_transaction_session_timeout").fetchone()
    assert shown == ("30s",)


def test_confirming_again_and_again_leaves_one_mark(
    mallory: Connection, connection: Connection
) -> None:
    confirmed(mallory)
    mallory.execute("SELECT confirm_releases() FROM generate_series(1, 500)")
    assert connection.execute("SELECT count(*) FROM log_marks").fetchone() == (1,)


def test_loads_are_served_in_the_order_of_coming(
    mallory: Connection, database_url: str, bot: LoginRole
) -> None:
    """Whoever waits for a row is served by chance; a bot could wait for seconds among many."""
    with (
        contextlib.ExitStack() as stack,
        psycopg.connect(database_url, autocommit=True) as watcher,
    ):
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=6))
        mallory.execute("BEGIN")
        mallory.execute(REQUEST)
        waiting, asked = [], REQUEST.replace("release_id", "event_position").encode()
        for _ in range(6):
            session = stack.enter_context(bot.connect())
            waiting.append(pool.submit(session.execute, asked))
            while not is_waiting(watcher, session):
                assert not waiting[-1].done()
        mallory.execute("COMMIT")
        positions = [request.result().fetchall() for request in waiting]
    assert positions == sorted(positions)


def is_waiting(watcher: Connection, session: Connection) -> bool:
    query = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
    return watcher.execute(query, [session.info.backend_pid]).fetchone() == (True,)


def take_away(connection: Connection, role: str) -> None:
    """As revoke-access does, in the transaction that holds the lock."""
    connection.execute("ALTER TABLE account_access DISABLE TRIGGER account_access_only_by_event")
    connection.execute("DELETE FROM account_access WHERE role_name = %s", [role])


def test_who_stands_still_with_the_log_is_ended_unless_it_unset_the_limit(
    mallory: Connection, connection: Connection
) -> None:
    """Its own limit is kept where it is stricter."""
    shown = b"SHOW idle_in_transaction_session_timeout"
    for own, then in (("0", "30s"), ("'10min'", "30s"), ("'5s'", "5s"), ("'250ms'", "250ms")):
        mallory.execute(f"SET idle_in_transaction_session_timeout = {own}".encode())
        before = mallory.execute(shown).fetchone()
        mallory.execute("BEGIN")
        mallory.execute(REQUEST)
        assert mallory.execute(shown).fetchone() == (then,)
        mallory.execute("ROLLBACK")
        assert mallory.execute(shown).fetchone() == before
    # What remains.
    mallory.execute("BEGIN")
    mallory.execute(REQUEST)
    mallory.execute("SET idle_in_transaction_session_timeout = 0")
    assert mallory.execute(shown).fetchone() == ("0",)


def test_a_command_that_waited_in_vain_names_who_was_in_its_way(
    mallory: Connection, bot: LoginRole, impatient: SingleConnection, world: World
) -> None:
    named = f"session {mallory.info.backend_pid} of {bot.name} "
    mallory.execute("BEGIN")
    mallory.execute(REQUEST)
    with bot.connect() as second, ThreadPoolExecutor() as pool:
        waiting = pool.submit(second.execute, REQUEST.encode())
        try:
            with pytest.raises(RegistryBusy, match=named) as refused:
                append(World(impatient, world.keyring), "late")
            assert f"session {second.info.backend_pid} " not in refused.value.message
        finally:
            mallory.execute("ROLLBACK")
            waiting.result()
    mallory.execute("SELECT pg_advisory_lock(%s), pg_advisory_lock(%s)", [MIGRATING, REBUILDING])
    with impatient.connection() as connection, pytest.raises(RegistryBusy, match=named):
        Migrator(connection).up()
    with pytest.raises(RebuildRunning, match=named):
        RebuildService(impatient).rebuild(BY)
    append(World(impatient, world.keyring), "on time")
