"""Appends made-up events directly to the log, below the executor."""

import datetime as dt
import hashlib
import uuid
from typing import Any

import psycopg

from registry.events.accounts import AccountUpdated
from registry.events.base import EventModel
from registry.events.stored import Stream
from registry.log.append import CommandRecord, NewEvent, send_append
from registry.log.ids import new_id

MOMENT = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)


def command(
    command_id: uuid.UUID | None = None, content: str = "", reason: str | None = None
) -> CommandRecord:
    """A command with this content."""
    digest = hashlib.sha256(content.encode()).digest()
    return CommandRecord(command_id or new_id(), digest, "tester@host", reason, MOMENT)


def append(
    connection: psycopg.Connection[Any],
    *,
    stream: Stream | None = None,
    version: int = 1,
    event: EventModel | None = None,
    by: CommandRecord | None = None,
    index: int = 0,
    related: uuid.UUID | None = None,
) -> int:
    """Appends one event in a transaction of its own (in autocommit mode); returns its position."""
    new = NewEvent(
        stream or Stream("account", new_id()),
        version,
        event or AccountUpdated(description="größe"),
        related_account_id=related,
    )
    row = send_append(connection, by or command(), index, new).fetchone()
    assert row is not None
    position: int = row[0]
    return position
