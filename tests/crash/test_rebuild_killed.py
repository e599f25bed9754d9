"""A killed rebuild leaves the tables unchanged, and no other traces."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import conftest
import psycopg
import pytest
from support.large_log import load_events, many_accounts
from support.registry_tables import contents, unguarded

from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.execution.executor import Invocation
from registry.rebuild.rebuild import RebuildService

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]
ACCOUNTS = 4_000


@pytest.fixture(scope="module")
def long_log() -> Iterator[str]:
    """The name of a database with a long log, to be copied for each test."""
    name = f"registry_long_{uuid.uuid4().hex[:12]}"
    address = conftest.database_address(name)
    conftest.create_database(name, os.environ[conftest.TEMPLATE])
    with psycopg.connect(address, autocommit=True) as connection:
        load_events(connection, many_accounts(ACCOUNTS))
    database = SingleConnection(Target(address))
    RebuildService(database).rebuild(Invocation(actor="tester@host"))
    database.close()
    yield name
    conftest.drop_database(name)


@pytest.fixture
def database_url(long_log: str) -> Iterator[str]:
    yield from conftest._fresh_database(long_log)


@pytest.fixture
def damaged(connection: Connection) -> Connection:
    """A long log, and tables that differ from it in every row."""
    with unguarded(connection):
        connection.execute("UPDATE public.accounts SET description = 'damaged'")
        connection.execute("UPDATE public.account_exchange_credentials SET label = 'damaged'")
    return connection


def start(address: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "registry.commands", "rebuild", "--workers", "2"],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "DATABASE_URL": address},
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for(what: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def others(connection: Connection, condition: str = "TRUE") -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        f"AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND {condition}".encode()
    ).fetchone()
    assert row is not None
    return int(row[0])


def end(process: subprocess.Popen[bytes], how: int) -> None:
    process.send_signal(how)
    process.communicate(timeout=30)
    assert process.returncode != 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_killed_while_it_replays(damaged: Connection, database_url: str, how: int) -> None:
    before, left = contents(damaged), others(damaged)
    process = start(database_url)
    wait_for(lambda: others(damaged, "query LIKE '%COPY (%audit_events%'") > 0)
    end(process, how)
    # Also the workers and their connections are gone.
    wait_for(lambda: others(damaged) <= left)
    assert contents(damaged) == before
    again = start(database_url)
    again.communicate(timeout=60)
    assert again.returncode == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_killed_while_it_merges(damaged: Connection, database_url: str, how: int) -> None:
    before, left = contents(damaged), others(damaged)
    size = damaged.execute("SELECT size FROM public.audit_head").fetchone()
    with psycopg.connect(database_url) as blocker:
        # The merge comes to this row, in the middle of the table, and waits.
        blocker.execute("SELECT FROM public.accounts WHERE account_name = 'bot_2000' FOR UPDATE")
        process = start(database_url)
        wait_for(lambda: others(damaged, "wait_event_type = 'Lock'") > 0)
        end(process, how)
    # A server notices that its client is gone when it has done what it was asked.
    wait_for(lambda: others(damaged) <= left)
    assert contents(damaged) == before
    assert damaged.execute("SELECT size FROM public.audit_head").fetchone() == size
    again = start(database_url)
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert contents(damaged) != before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_killed_while_it_copies_rows_into_empty_tables(
    damaged: Connection, database_url: str, how: int
) -> None:
    whole = contents(damaged)
    with unguarded(damaged):
        damaged.execute("TRUNCATE public.accounts CASCADE")
    empty, left = contents(damaged), others(damaged)
    with psycopg.connect(database_url) as blocker:
        # The copy comes to the account that has this name by the log, and waits.
        with unguarded(blocker):
            blocker.execute(
                "INSERT INTO public.accounts (id, account_name, created_at, updated_at)"
                " VALUES (gen_random_uuid(), 'bot_2000', now(), now())"
            )
        process = start(database_url)
        wait_for(lambda: others(damaged, "wait_event_type = 'Lock'") > 0)
        assert contents(damaged) == empty
        end(process, how)
        blocker.rollback()
    wait_for(lambda: others(damaged) <= left)
    assert contents(damaged) == empty
    again = start(database_url)
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert {table: len(rows) for table, rows in contents(damaged).items()} == {
        table: len(rows) for table, rows in whole.items()
    }
