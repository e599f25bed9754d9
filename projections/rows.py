"""Row changes: what a projector says, and a sink does.

They are named tuples: a rebuild makes one for each event of the log, and a frozen
dataclass takes three times as long to make.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """A projected table: its columns in order, with the PostgreSQL type of each.

    A *partial* table belongs to another program: the log knows some of its columns,
    neither makes nor deletes its rows, and a row that it does not name is not its business.
    """

    name: str
    columns: dict[str, str] = field(hash=False, compare=False)
    key: str = "id"
    owner: str = field(default="account_id", compare=False)
    """The column that holds the account whose stream the row follows from."""
    unique: tuple[str, ...] = field(default=(), compare=False)
    """The columns that the table keeps unique beside its key."""
    secret: frozenset[str] = frozenset()
    """Columns whose values are never shown, encrypted though they are."""
    partial: bool = False

    def without_secrets(self) -> "Table":
        """The same table as those see it who may not read its secret columns."""
        seen = {name: kind for name, kind in self.columns.items() if name not in self.secret}
        return replace(self, columns=seen, secret=frozenset())


class Insert(NamedTuple):
    """A new row, with a value for every column."""

    table: Table
    key: str
    values: Row


class Patch(NamedTuple):
    """New values for some columns of a row."""

    table: Table
    key: str
    values: Row


class PatchAll(NamedTuple):
    """The same new values for some columns of several rows."""

    table: Table
    keys: tuple[str, ...]
    values: Row


class Delete(NamedTuple):
    """The row is gone."""

    table: Table
    key: str


RowChange = Insert | Patch | PatchAll | Delete
