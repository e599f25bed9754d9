"""Shares, access and last uses match the log, through the projectors alone."""

import datetime as dt
import uuid
from typing import Any

from support.bots import LoginRole
from support.world import CALLER, World

from projections import access, credentials, project, sharing
from projections.memory_sink import Rows, apply_to_memory
from projections.rows import Table
from registry.events.codec import parse
from registry.log.reading import events_of
from registry.services.releases.releases import ReleaseService
from registry.services.releases.resolution import Wish

EVENTS = """SELECT e.stream_id::text, e.stream_version, e.event_type, e.schema_version,
    (e.occurred_at AT TIME ZONE 'UTC')::text, e.data::text
    FROM audit_events AS e ORDER BY e.position"""


def replayed(world: World) -> Rows:
    """The tables as the log makes them; each event must be one that the program knows."""
    rows: Rows = {}
    with world.database.connection() as connection:
        for event in events_of(connection.execute(EVENTS)):
            parse(event)
            for change in project(event):
                apply_to_memory(rows, change)
    return rows


def stored(world: World, table: Table) -> dict[str, dict[str, Any]]:
    """The table as it is, in the projectors' form."""
    with world.database.connection() as connection:
        cursor = connection.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}".encode())
        return {
            str(row[0]): {
                column: _text(value) for column, value in zip(table.columns, row, strict=True)
            }
            for row in cursor
        }


def _text(value: Any) -> Any:
    match value:
        case uuid.UUID():
            return str(value)
        case dt.datetime():
            return value.isoformat(sep=" ")
        case _:
            return value


def _comparable(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    # PostgreSQL leaves out the fraction of a second where it is zero, Python likewise.
    return {
        key: {
            column: dt.datetime.fromisoformat(value).isoformat(sep=" ")
            if value and column in ("created_at", "updated_at", "last_used", "granted_at")
            else value
            for column, value in row.items()
        }
        for key, row in rows.items()
    }


def test_replaying_the_log_gives_the_rows_that_are_there(world: World, bot: LoginRole) -> None:
    world.account("lender", "backpack", "aster")
    for name in ("one", "two", "three"):
        world.account(name, "lighter")
        world.share(name, "lender", "backpack", "read_only")
        world.access.grant(name, bot.name)
    world.share("one", "lender", "backpack", "full")
    world.shares.revoke("two", "backpack")
    world.access.revoke("two", bot.name)
    service = ReleaseService(world.database, world.keyring)
    for name in ("one", "two", "lender", "one"):
        service.release(name, None, Wish(), CALLER)
    world.credentials.remove("two", "lighter")
    world.accounts.delete("three", cascade=True)
    rows = replayed(world)
    for table in (sharing.TABLE, access.TABLE, credentials.TABLE):
        there = stored(world, table)
        assert there, table.name
        assert _comparable(rows[table.name]) == _comparable(there)
    used = [row["last_used"] for row in stored(world, credentials.TABLE).values()]
    assert all(used)
