"""Rebuilds during reads and writes of other clients: no disturbance, no loss."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from support.appending import append
from support.large_log import load_events, many_accounts
from support.registry_tables import unguarded

from registry import Registry
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.events.keys import MasterKeyRotated
from registry.execution.executor import Invocation
from registry.log.ids import REGISTRY_STREAM
from registry.rebuild.rebuild import RebuildService

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]
ACCOUNTS = 200
ROUNDS = 12

DAMAGE = (
    "UPDATE public.accounts SET description = 'damaged' WHERE account_name LIKE 'bot_%'",
    "UPDATE public.account_exchange_credentials SET label = 'damaged'",
    # The slots of all credentials move, so that the repair takes rows away and back.
    "UPDATE public.account_exchange_credentials SET exchange_id = 3",
)


@contextmanager
def running(*works: Callable[[], None]) -> Iterator[list[BaseException]]:
    """Runs each work again and again in a thread of its own until the block ends."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def repeat(work: Callable[[], None]) -> None:
        while not stop.is_set():
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - told to the test
                failures.append(error)
                return

    threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_no_reader_ever_misses_a_row_and_no_writer_loses_a_change(
    database: SingleConnection, connection: Connection, database_url: str, invocation: Invocation
) -> None:
    load_events(connection, many_accounts(ACCOUNTS))
    service = RebuildService(database)
    service.rebuild(invocation)
    written: dict[str, int] = {}
    reads = 0

    def read() -> None:
        nonlocal reads
        with psycopg.connect(database_url, autocommit=True) as reader:
            for _ in range(20):
                found = reader.execute(
                    "SELECT count(*), count(c.id) FROM public.accounts AS a "
                    "LEFT JOIN public.account_exchange_credentials AS c ON c.account_id = a.id "
                    "WHERE a.account_name LIKE 'bot\\_%'"
                ).fetchone()
                assert found == (ACCOUNTS, ACCOUNTS)
                reads += 1

    def write() -> None:
        own = SingleConnection(Target(database_url))
        accounts = Registry(own).accounts
        name = f"own_{threading.get_ident()}"
        if name not in written:
            accounts.create(name)
        written[name] = written.get(name, 0) + 1
        accounts.update(name, description=str(written[name]))
        own.close()

    with running(read, read, write, write) as failures:
        for number in range(ROUNDS):
            with unguarded(connection):
                connection.execute(DAMAGE[number % len(DAMAGE)].encode())
            assert service.rebuild(invocation).position is not None
        time.sleep(0.1)
    assert failures == []
    assert reads > ROUNDS
    assert service.check().differing == 0
    told = connection.execute(
        "SELECT account_name, description::int FROM public.accounts WHERE account_name LIKE 'own%'"
    )
    assert dict(told.fetchall()) == written


def test_a_check_among_writers_finds_nothing(
    database: SingleConnection, connection: Connection, database_url: str, invocation: Invocation
) -> None:
    load_events(connection, many_accounts(20))
    service = RebuildService(database)
    service.rebuild(invocation)

    def write() -> None:
        own = SingleConnection(Target(database_url))
        name = f"w{threading.get_ident()}_{time.monotonic_ns()}"
        Registry(own).accounts.create(name)
        Registry(own).accounts.delete(name)
        own.close()

    with running(write, write) as failures:
        for _ in range(30):
            assert service.check().listed == []
    assert failures == []


def test_appends_go_on_while_the_log_is_replayed(
    database: SingleConnection, connection: Connection, database_url: str, invocation: Invocation
) -> None:
    from registry.rebuild.comparison import Report, Watch

    load_events(connection, many_accounts(5))
    names: list[str] = []

    def create(_: Report) -> None:
        # Everything is read and nothing is written yet: whoever appends now does not wait.
        own = SingleConnection(Target(database_url))
        with own.connection() as session:
            session.execute("SET lock_timeout = '100ms'")
        Registry(own).accounts.create("during")
        own.close()
        names.append("during")

    outcome = RebuildService(database).rebuild(invocation, Watch(approve=create))
    assert (names, outcome.tail) == (["during"], 1)


def test_a_rebuild_takes_its_place_behind_a_rotation_that_committed_first(
    database: SingleConnection, connection: Connection, database_url: str, invocation: Invocation
) -> None:
    load_events(connection, many_accounts(5))
    rotated = MasterKeyRotated(master_key_id="a", previous_key_ids=["b"], keys=1, remaining=0)
    rebuilt: list[int | None] = []

    def rebuild() -> None:
        rebuilt.append(RebuildService(database).rebuild(invocation).position)

    rebuilding = threading.Thread(target=rebuild)
    with psycopg.connect(database_url) as rotation:
        append(rotation, stream=REGISTRY_STREAM, event=rotated)
        # It has read where its stream ends, and waits for the head.
        rebuilding.start()
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
        while rebuilding.is_alive() and not connection.execute(waiting).fetchone():
            time.sleep(0.01)
    rebuilding.join()
    assert rebuilt == [41]
    assert RebuildService(database).check().differing == 0
