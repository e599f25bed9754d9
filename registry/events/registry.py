"""Events of the registry as a whole."""

from pydantic import BaseModel, ConfigDict

from registry.events.base import EventModel


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


class ProjectionsRebuilt(EventModel):
    """The tables were compared with the log up to `size` events, and repaired."""

    size: int
    tables: dict[str, TableRepair]


class SchemaTakenDown(EventModel):
    """The tables were dropped; what they held follows from the log up to here.

    `references` are foreign keys that had to go with them and come back with them.
    """

    references: list[ForeignReference]
