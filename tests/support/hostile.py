"""Release statements of a bot that speaks SQL itself, and the database's answers."""

import uuid
from typing import Any

import psycopg
import pytest

from registry.database.durability import send_flush
from support.world import World

Connection = psycopg.Connection[Any]

REQUEST = """SELECT exchange, outcome, release_id
    FROM public.request_release(%s, %s, NULL, NULL, NULL, 'a', 'h', 'p')"""
COLLECT = "SELECT * FROM public.collect_releases(%s)"


def request(connection: Connection, account: str, exchange: str = "backpack") -> uuid.UUID:
    """Requests a release, which must be granted."""
    row = connection.execute(REQUEST, [account, [exchange]]).fetchone()
    assert row is not None
    assert row[1] == "ok"
    release: uuid.UUID = row[2]
    return release


def collect(
    connection: Connection, release: uuid.UUID, *, flushing: Connection | None = None
) -> list[Any]:
    """The rows handed out for a release; before PostgreSQL 17 it may need a flush first."""
    rows = connection.execute(COLLECT, [[release]]).fetchall()
    if [row[1] for row in rows] == ["not_durable"]:
        assert set(rows[0][2:]) == {None}
        send_flush(flushing or connection)
        rows = connection.execute(COLLECT, [[release]]).fetchall()
    assert [row[1] for row in rows] == ["ok"] or set(rows[0][2:]) == {None}
    return [row for row in rows if row[1] == "ok"]


def refusal(connection: Connection, statement: str, *parameters: Any) -> psycopg.Error:
    """The error with which a statement must fail."""
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(statement.encode(), parameters or None).fetchall()
    return caught.value


def events(world: World, event_type: str) -> list[Any]:
    """The events of a type, as the database's owner sees them."""
    with world.database.connection() as connection:
        return connection.execute(
            "SELECT actor, recorded_by, data FROM audit_events WHERE event_type = %s", [event_type]
        ).fetchall()
