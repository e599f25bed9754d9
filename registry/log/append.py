"""Appends the events of one command: all of them in one transaction, or none."""

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import psycopg

from registry.database.connection import Connection
from registry.database.durability import FLUSH_LATER_IF_OTHERS_WAIT
from registry.database.queries import load_queries
from registry.events.base import EventModel
from registry.events.stored import StoredEvent, Stream, utc_text
from registry.log.ids import new_id

_QUERIES = load_queries("registry.log")
# In the same statement: a separate statement would cost a client a third of the append again.
_APPEND_SHARING_THE_LOG: Final = _QUERIES["append"] + b"\n" + FLUSH_LATER_IF_OTHERS_WAIT


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A decided event that is not in the log yet."""

    stream: Stream
    version: int
    """The version of the stream after this event."""
    event: EventModel
    related_account_id: uuid.UUID | None = None
    id: uuid.UUID = field(default_factory=new_id)

    def stored(self, occurred_at: dt.datetime) -> StoredEvent:
        """The event in the form of a later read from the log."""
        return StoredEvent(
            stream_id=str(self.stream.id),
            stream_version=self.version,
            event_type=self.event.event_type,
            schema_version=self.event.schema_version,
            occurred_at=utc_text(occurred_at),
            # From the text itself: exactly the stored data, and faster than a dump.
            data=orjson.loads(self.event.to_json()),
        )


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """The log's record of a command, stored with each of its events."""

    command_id: uuid.UUID
    digest: bytes
    """SHA-256 over the command's content, keyed where it holds secrets."""
    actor: str
    reason: str | None
    occurred_at: dt.datetime


def send_append(
    connection: Connection,
    command: CommandRecord,
    index: int,
    event: NewEvent,
    *,
    flush_later_if_others_wait: bool = False,
) -> psycopg.Cursor[Any]:
    """Sends one append; in pipeline mode the cursor has the position when the pipeline has ended.

    With `flush_later_if_others_wait` there is a second value. If it is true, the commit frees
    the log's lock without waiting for the disk. The caller must then wait for the flush, by
    `registry.database.durability`, before it reports success.
    """
    return connection.execute(
        _APPEND_SHARING_THE_LOG if flush_later_if_others_wait else _QUERIES["append"],
        {
            "event_id": event.id,
            "stream_type": event.stream.type,
            "stream_id": event.stream.id,
            "expected_version": event.version - 1,
            "event_type": event.event.event_type,
            "schema_version": event.event.schema_version,
            "data": event.event.to_json(),
            "actor": command.actor,
            "reason": command.reason,
            "command_id": command.command_id,
            "command_index": index,
            "command_digest": command.digest,
            "related_account_id": event.related_account_id,
            "occurred_at": command.occurred_at,
        },
    )
