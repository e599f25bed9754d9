"""Tables and row changes: what a projector says, and a sink does.

Changes are named tuples: a rebuild makes one for each event of the log, and a frozen
dataclass takes three times as long to make.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from projections.columns import NEEDED, OWN_TIME, Column, Misfit, columns_of, is_uuid
from registry.events.stored import StoredEvent, database_time

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
    partial: bool = False
    declared: Mapping[str, Column] = field(default_factory=dict, compare=False)
    """What each column may hold."""
    blank: Row = field(default_factory=dict, compare=False, repr=False)
    """A row of which no event has said anything; what an event must say stands as NEEDED."""
    details: tuple[str, ...] = field(default=(), compare=False)
    """Columns that commands set and clear one by one."""
    secret: frozenset[str] = frozenset()
    """Columns whose values are never shown. Who may not see them has another table of the name."""
    accounts: tuple[str, ...] = field(default=(), compare=False)
    """Columns that refer to accounts."""
    moments: tuple[str, ...] = field(default=(), compare=False)
    needed: tuple[str, ...] = field(default=(), compare=False)
    """Columns that have no default."""

    @classmethod
    def of(cls, name: str, row: type, **more: Any) -> "Table":
        """The table whose rows have this type."""
        declared = columns_of(row)

        def where(attribute: str) -> tuple[str, ...]:
            return tuple(c for c, column in declared.items() if getattr(column, attribute))

        return cls(
            name,
            {column: said.kind for column, said in declared.items()},
            declared=declared,
            blank={column: said.default for column, said in declared.items()},
            details=where("detail"),
            secret=frozenset(where("secret")),
            accounts=where("account"),
            moments=tuple(c for c, said in declared.items() if said.kind == "timestamp"),
            needed=tuple(c for c, said in declared.items() if said.default is NEEDED),
            **more,
        )

    def without_secrets(self) -> "Table":
        """The same table as those see it who may not read its secret columns."""
        seen = {name: kind for name, kind in self.columns.items() if name not in self.secret}
        return replace(self, columns=seen, secret=frozenset())

    def insert(self, event: StoredEvent, key: str, **own: Any) -> "Insert":
        """The row that an event makes: `own` values, what its data tell, or else defaults."""
        data = event.data
        row = self.blank.copy()
        for name in data.keys() & row.keys():
            row[name] = data[name]
        row.update(own)
        row[self.key] = key
        for name in self.moments:
            moment = row[name]
            if moment is None or moment is OWN_TIME:
                row[name] = event.occurred_at if self.blank[name] is OWN_TIME else None
            else:
                row[name] = database_time(moment)
        for name in self.needed:
            if row[name] is NEEDED:
                raise KeyError(name)
        return Insert(self, key, row)

    def patch(self, event: StoredEvent, key: str, **own: Any) -> "Patch":
        """The row's new values: `own`, the details that the event tells, and its time."""
        for name in self.details:
            if name in event.data:
                value = event.data[name]
                own[name] = _in_row(value) if name in self.moments else value
        own["updated_at"] = event.occurred_at
        return Patch(self, key, own)

    def details_in(self, row: Mapping[str, Any]) -> Row:
        """The details of a row as an event tells them."""
        return {
            name: _in_event(row[name]) if name in self.moments else row[name]
            for name in self.details
        }

    def misfit(self, values: Mapping[str, Any]) -> Misfit:
        """Why the columns cannot hold these values, which may be some of a row's."""
        for name, value in values.items():
            if misfit := self.declared[name].misfit(name, value):
                return misfit
        tokens = [values[name] for name in self.secret if name in values]
        return "it has no field" if tokens and not any(tokens) else ""


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


def misfit_of(change: RowChange) -> Misfit:
    """Why the columns of its table cannot hold what a change says."""
    match change:
        case Insert(table, _, values) | Patch(table, _, values):
            return table.misfit(values)
        case PatchAll(_, keys, _) if not all(map(is_uuid, keys)):
            return "it names what is no id"
        case _:
            return ""


def _in_row(moment: str | None) -> str | None:
    return None if moment is None else database_time(moment)


def _in_event(moment: str | None) -> dt.datetime | str | None:
    try:
        return None if moment is None else dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)
    except ValueError:  # what a hand appended need not be a moment; it equals none
        return moment
