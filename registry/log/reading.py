"""Reads streams, the size of the log, and the events of a command."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg

from registry.database.connection import Connection
from registry.database.queries import load_queries, one_row
from registry.events.stored import StoredEvent, Stream

_QUERIES = load_queries("registry.log")


@dataclass(frozen=True, slots=True)
class AppliedCommand:
    """A command as recorded in the log."""

    digest: bytes
    positions: tuple[int, ...]
    event_types: tuple[str, ...]
    stream_id: uuid.UUID


def send_stream(connection: Connection, stream: Stream) -> psycopg.Cursor[Any]:
    """Queries all events of a stream; `events_of` reads the answer."""
    return connection.execute(
        _QUERIES["stream"], {"stream_type": stream.type, "stream_id": stream.id}
    )


def send_account_stream(connection: Connection, account_name: str) -> psycopg.Cursor[Any]:
    """Queries all events of the account of this name; `events_of` reads the answer."""
    return connection.execute(_QUERIES["account_stream_by_name"], {"account_name": account_name})


def events_of(cursor: psycopg.Cursor[Any]) -> list[StoredEvent]:
    """The events in the answer to `send_stream` or `send_account_stream`."""
    # By orjson, as the replay of a rebuild does; psycopg would take three times as long.
    return [
        StoredEvent(stream_id, version, event_type, schema_version, occurred_at, orjson.loads(data))
        for stream_id, version, event_type, schema_version, occurred_at, data in cursor.fetchall()
    ]


def log_size(connection: Connection) -> int:
    """The number of events in the log."""
    size: int = one_row(connection.execute(_QUERIES["size"]))[0]
    return size


def events_before(connection: Connection, moment: dt.datetime) -> int:
    """The number of events before a moment, and so the position of the first event from then on."""
    count: int = one_row(connection.execute(_QUERIES["events_before"], {"moment": moment}))[0]
    return count


def last_position_at(connection: Connection, moment: dt.datetime | None) -> int:
    """The position of the last event up to a moment, -1 if there is none; None means now."""
    if moment is None:
        return log_size(connection) - 1
    return events_before(connection, moment + dt.timedelta(microseconds=1)) - 1


def send_versions(
    connection: Connection, streams: Sequence[Stream], before: int = 2**63 - 1
) -> psycopg.Cursor[Any]:
    """Queries the versions of streams before a position; `versions_of` reads the answer."""
    parameters = {
        "stream_types": [s.type for s in streams],
        "stream_ids": [s.id for s in streams],
        "before": before,
    }
    return connection.execute(_QUERIES["stream_versions"], parameters)


def versions_of(cursor: psycopg.Cursor[Any]) -> dict[Stream, int]:
    """The version of each stream, 0 for one without events."""
    return {Stream(stream_type, stream_id): version for stream_type, stream_id, version in cursor}


def send_command(connection: Connection, command_id: uuid.UUID) -> psycopg.Cursor[Any]:
    """Queries the events of a command; `applied_command` reads the answer."""
    return connection.execute(_QUERIES["command"], {"command_id": command_id})


def applied_command(cursor: psycopg.Cursor[Any]) -> AppliedCommand | None:
    """The recorded command, or None if the log does not have it."""
    rows = cursor.fetchall()
    if not rows:
        return None
    return AppliedCommand(
        digest=rows[0][3],
        positions=tuple(row[0] for row in rows),
        event_types=tuple(row[1] for row in rows),
        stream_id=rows[0][2],
    )
