"""The form of events as read from the log. Uses the standard library only."""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

StreamType = Literal["account", "exchange", "release", "registry", "stop"]


@dataclass(frozen=True, slots=True)
class Stream:
    """The ordered events of an account, an exchange, its releases, a stop, or the registry."""

    type: StreamType
    id: uuid.UUID

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class StoredEvent(NamedTuple):
    """An event as the log holds it, its data decoded but not yet checked.

    Projectors work on this form, in the transaction of the append and in a rebuild alike.
    Times are ISO text in UTC, copied and never computed with. A named tuple is cheap to
    create: a rebuild makes a million of them.
    """

    stream_id: str
    stream_version: int
    event_type: str
    schema_version: int
    occurred_at: str
    data: dict[str, Any]


def database_time(moment: str) -> str:
    """Converts a moment of an event's data (ISO, UTC with a trailing Z) to the form of the tables.

    The tables' columns have no time zone; their values are UTC.
    """
    return moment.removesuffix("Z").replace("T", " ")


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
