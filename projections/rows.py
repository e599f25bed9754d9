"""Tables and row changes: a projector makes a row change, and a sink applies it.

A rebuild makes one row change for each event of the log. Row changes are named tuples, since a
frozen dataclass takes three times as long to create.
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

    A *partial* table belongs to another program: events change some of its columns, and neither
    insert nor delete its rows. Rows that no event names are ignored.
    """

    name: str
    columns: dict[str, str] = field(hash=False, compare=False)
    key: str = "id"
    owner: str = field(default="account_id", compare=False)
    """The column with the id of the account whose stream makes the row."""
    unique: tuple[str, ...] = field(default=(), compare=False)
    """The columns that are unique together, in addition to the key."""
    partial: bool = False
    declared: Mapping[str, Column] = field(default_factory=dict, compare=False)
    """The declaration of each column."""
    blank: Row = field(default_factory=dict, compare=False, repr=False)
    """A row of defaults; NEEDED marks the columns that an event must fill."""
    details: tuple[str, ...] = field(default=(), compare=False)
    """Columns that commands set and clear one by one."""
    secret: frozenset[str] = frozenset()
    """Columns whose values are never shown; see `without_secrets`."""
    accounts: tuple[str, ...] = field(default=(), compare=False)
    """Columns that refer to accounts."""
    moments: tuple[str, ...] = field(default=(), compare=False)
    needed: tuple[str, ...] = field(default=(), compare=False)
    """Columns that have no default."""

    @classmethod
    def of(cls, name: str, row: type, **more: Any) -> "Table":
        """Makes the table from the type of its rows."""
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
        """The same table without its secret columns, for roles that may not read them."""
        seen = {name: kind for name, kind in self.columns.items() if name not in self.secret}
        return replace(self, columns=seen, secret=frozenset())

    def insert(self, event: StoredEvent, key: str, **own: Any) -> "Insert":
        """The insert that an event makes: `own` values, then values of its data, then defaults."""
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
        """The row's new values: `own`, the details in the event, and the event's time."""
        for name in self.details:
            if name in event.data:
                value = event.data[name]
                own[name] = _in_row(value) if name in self.moments else value
        own["updated_at"] = event.occurred_at
        return Patch(self, key, own)

    def details_in(self, row: Mapping[str, Any]) -> Row:
        """The details of a row in the form of events."""
        return {
            name: _in_event(row[name]) if name in self.moments else row[name]
            for name in self.details
        }

    def misfit(self, values: Mapping[str, Any]) -> Misfit:
        """The reason why the columns cannot hold these values; empty if they can."""
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


class Put(NamedTuple):
    """A row with a value for every column, in place of the row with its key, if there is one."""

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
    """The removal of a row."""

    table: Table
    key: str


RowChange = Insert | Put | Patch | PatchAll | Delete


def misfit_of(change: RowChange) -> Misfit:
    """The reason why the table's columns cannot hold a change's values; empty if they can."""
    match change:
        case Insert(table, _, values) | Put(table, _, values) | Patch(table, _, values):
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
    except ValueError:  # appended by hand and not a moment: differs from every moment
        return moment
