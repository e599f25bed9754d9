"""Row changes: what a projector says, and a sink does."""

from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """A projected table: its columns in order, with the PostgreSQL type of each."""

    name: str
    columns: dict[str, str] = field(hash=False, compare=False)
    key: str = "id"


@dataclass(frozen=True, slots=True)
class Insert:
    """A new row; columns that are not named are NULL."""

    table: Table
    key: str
    values: Row


@dataclass(frozen=True, slots=True)
class Patch:
    """New values for some columns of a row."""

    table: Table
    key: str
    values: Row


@dataclass(frozen=True, slots=True)
class Delete:
    """The row is gone."""

    table: Table
    key: str


RowChange = Insert | Patch | Delete
