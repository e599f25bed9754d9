"""Waiting until committed data is on disk."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from registry import Registry
from registry.database.durability import (
    FLUSH_LATER_IF_OTHERS_WAIT,
    send_flush,
    wait_until_durable,
)
from registry.database.opening import SingleConnection
from registry.execution import executor
from registry.log.ids import new_id

Connection = psycopg.Connection[Any]


@pytest.fixture
def another_connection(database_url: str) -> Iterator[Connection]:
    """A second session."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.mark.parametrize("setting", ["off", "on", "local"])
def test_it_flushes_what_was_committed_without_waiting(
    connection: Connection, setting: str
) -> None:
    connection.execute(f"SET synchronous_commit = {setting}")
    for _ in range(20):
        with connection.transaction():
            connection.execute("SET LOCAL synchronous_commit = off")
            connection.execute("SELECT pg_logical_emit_message(true, 'test', 'later')")
        written = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
        wait_until_durable(connection)
        flushed = connection.execute("SELECT pg_current_wal_flush_lsn() >= %s", written).fetchone()
        assert flushed == (True,)
    assert connection.execute("SHOW synchronous_commit").fetchone() == (setting,)


def commit_mode(connection: Connection) -> tuple[str, bool]:
    """How a transaction that appends now would commit, and whether a flush is said to be due."""
    with connection.transaction():
        row = connection.execute(b"SELECT 0 " + FLUSH_LATER_IF_OTHERS_WAIT).fetchone()
        mode = connection.execute("SHOW synchronous_commit").fetchone()
    assert row is not None
    assert mode is not None
    return mode[0], row[1]


def test_who_appends_alone_commits_durably_and_who_does_not_is_told_to_flush(
    connection: Connection, another_connection: Connection
) -> None:
    assert commit_mode(connection) == ("on", False)
    with another_connection.transaction():
        another_connection.execute(b"SELECT 0 " + FLUSH_LATER_IF_OTHERS_WAIT)
        assert commit_mode(connection) == ("off", True)
    assert commit_mode(connection) == ("on", False)
    connection.execute("SET synchronous_commit = off")
    assert commit_mode(connection) == ("off", True)


def test_every_command_among_others_flushes_and_the_first_one_alone_stops(
    database: SingleConnection, another_connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one that meets others waits after its commit, the next ones send it along."""
    flushes: list[str] = []

    def waited(connection: Connection) -> None:
        flushes.append("waited")
        wait_until_durable(connection)

    def sent(connection: Connection) -> psycopg.Cursor[Any]:
        flushes.append("sent")
        return send_flush(connection)

    monkeypatch.setattr(executor, "wait_until_durable", waited)
    monkeypatch.setattr(executor, "send_flush", sent)
    service, names = Registry(database).accounts, iter(range(10))

    def create() -> None:
        name = f"bot-{next(names)}"
        service.create(name)

    create()
    assert flushes == []
    with another_connection.transaction():
        another_connection.execute(b"SELECT 0 " + FLUSH_LATER_IF_OTHERS_WAIT)
        for _ in range(3):
            create()
    assert flushes == ["waited", "sent", "sent"]
    create()
    create()
    assert flushes == ["waited", "sent", "sent", "sent"]


def test_an_operator_may_wait(connection: Connection) -> None:
    connection.execute("SET ROLE registry_operator")
    wait_until_durable(connection)


def test_nothing_is_told_that_was_not_awaited(
    database: SingleConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not what this command only found: its own first result, or that nothing is to change."""
    waits: list[str] = []

    def counted(connection: Connection) -> None:
        waits.append("waited")
        wait_until_durable(connection)

    monkeypatch.setattr(executor, "wait_until_durable", counted)
    service = Registry(database).accounts
    command_id = new_id()
    service.create("bot", command_id=command_id)
    assert waits == [], "nobody else appended: the commit itself waits"
    assert service.create("bot", command_id=command_id).replayed
    assert len(waits) == 1
    assert not service.update("bot", description=None).changed
    assert len(waits) == 2
