"""The form in which events are read from the log. Needs nothing but the standard library."""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

StreamType = Literal["account", "exchange", "release", "registry"]


@dataclass(frozen=True, slots=True)
class Stream:
    """The events of one thing, in order: an account, an exchange, an account's releases."""

    type: StreamType
    id: uuid.UUID

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class StoredEvent(NamedTuple):
    """An event as the log holds it, its data decoded but not yet checked.

    Projectors work on this form, in the transaction of the append and in a rebuild
    alike. Times are ISO text in UTC: they are copied, never computed with. (A named tuple,
    because a rebuild makes a million of them.)
    """

    stream_id: str
    stream_version: int
    event_type: str
    schema_version: int
    occurred_at: str
    data: dict[str, Any]


def database_time(moment: str) -> str:
    """A moment of an event's data (ISO, UTC with a trailing Z) in the form of the tables.

    The tables' columns have no time zone: what they hold is UTC.
    """
    return moment.removesuffix("Z").replace("T", " ")


def told_time(event: StoredEvent, field: str) -> str:
    """A moment that the event's data may tell, or else the event's own."""
    moment = event.data.get(field)
    return event.occurred_at if moment is None else database_time(moment)


def utc_text(moment: dt.datetime) -> str:
    """A moment as ISO text in UTC without offset, the form of the tables' timestamps.

    Raises:
        ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return (
        moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    )
