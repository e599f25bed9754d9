"""Waiting until what was committed is on disk."""

from typing import Any

import psycopg
import pytest

from registry.database.connection import SingleConnection
from registry.database.durability import FLUSH_LATER, wait_until_durable
from registry.decisions.account import CreateAccount, UpdateAccount
from registry.log.ids import new_id
from registry.services import executor
from registry.services.accounts import AccountService
from registry.services.executor import Invocation

Connection = psycopg.Connection[Any]


@pytest.mark.parametrize("setting", ["off", "on", "local"])
def test_it_flushes_what_was_committed_without_waiting(
    connection: Connection, setting: str
) -> None:
    connection.execute(f"SET synchronous_commit = {setting}")
    for _ in range(20):
        with connection.transaction():
            connection.execute(b"SELECT " + FLUSH_LATER)
            connection.execute("SELECT pg_logical_emit_message(true, 'test', 'later')")
        written = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
        wait_until_durable(connection)
        flushed = connection.execute("SELECT pg_current_wal_flush_lsn() >= %s", written).fetchone()
        assert flushed == (True,)
    assert connection.execute("SHOW synchronous_commit").fetchone() == (setting,)


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
    service = AccountService(database)
    again = Invocation(actor="tester@host", command_id=new_id())
    service.create(CreateAccount(account_name="bot"), again)
    assert waits == [], "the commit's own pipeline waits"
    assert service.create(CreateAccount(account_name="bot"), again).replayed
    assert len(waits) == 1
    same = UpdateAccount(description=None)
    assert not service.update("bot", same, Invocation(actor="tester@host")).changed
    assert len(waits) == 2
