"""Events of the registry as a whole."""

import datetime as dt
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from registry.events.base import EventModel
from registry.events.stored import StreamType


class TableRepair(BaseModel):
    """Counts of the rows of a table that differed from the log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    missing: int = 0
    extra: int = 0
    changed: int = 0


class ForeignReference(BaseModel):
    """A foreign key of another program's table that refers to one of the registry's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    constraint: str
    definition: str


class AdoptedTable(BaseModel):
    """Counts of a table's rows that were adopted into the log or left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    adopted: int = 0
    left_out: int = 0


class AdoptionDecision(BaseModel):
    """A decision about a row that broke a rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    id: str
    problem: str
    decision: str


class RegistryEvent(EventModel):
    """Base of the events in the registry's own stream, which concern no single account."""

    stream_type: ClassVar[StreamType] = "registry"


class LegacyAdopted(RegistryEvent):
    """The rows of a database from before the registry were adopted into the log."""

    tables: dict[str, AdoptedTable]
    decisions: list[AdoptionDecision]


class ProjectionsRebuilt(RegistryEvent):
    """The tables were compared with the log up to `size` events, and repaired."""

    size: int
    tables: dict[str, TableRepair]


class SchemaTakenDown(RegistryEvent):
    """The tables were dropped; their rows follow from the log up to this event.

    `references` are the foreign keys that were dropped with them and will be restored with them.
    """

    references: list[ForeignReference]


class SessionEnded(RegistryEvent):
    """An operator ended a database session that held the append lock and blocked all appends."""

    pid: Annotated[int, Field(gt=0)]
    role: str
    application: str | None = None
    client: str | None = None
    """The address of the client; None for a connection from the server's own machine."""
    since: dt.datetime | None = None
    """The start of the session's transaction, if the database could read it."""
