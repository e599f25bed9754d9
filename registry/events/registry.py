"""Events of the registry as a whole."""

import datetime as dt
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from registry.events.base import EventModel
from registry.events.stored import StreamType


class TableRepair(BaseModel):
    """How many rows of a table differed from the log."""

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
    """How many rows of a table were taken into the log, and how many were left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    adopted: int = 0
    left_out: int = 0


class AdoptionDecision(BaseModel):
    """What somebody decided about a row that broke a rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    id: str
    problem: str
    decision: str


class RegistryEvent(EventModel):
    """What is about no account belongs to the one stream of the registry."""

    stream_type: ClassVar[StreamType] = "registry"


class LegacyAdopted(RegistryEvent):
    """The rows of a database from before the registry are in the log now."""

    tables: dict[str, AdoptedTable]
    decisions: list[AdoptionDecision]


class ProjectionsRebuilt(RegistryEvent):
    """The tables were compared with the log up to `size` events, and repaired."""

    size: int
    tables: dict[str, TableRepair]


class SchemaTakenDown(RegistryEvent):
    """The tables were dropped; what they held follows from the log up to here.

    `references` are foreign keys that had to go with them and come back with them.
    """

    references: list[ForeignReference]


class SessionEnded(RegistryEvent):
    """An operator ended a database session that held the log, so that nobody could append."""

    pid: Annotated[int, Field(gt=0)]
    role: str
    application: str | None = None
    client: str | None = None
    """The address that it came from, if it was not this server's own machine."""
    since: dt.datetime | None = None
    """When its transaction began, as far as the database may say."""
