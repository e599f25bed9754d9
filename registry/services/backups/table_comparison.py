"""Compares all tables of two databases row by row, also those of other programs."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from projections import TABLES
from registry.database.connection import Connection
from registry.database.copy_out import copy_lines
from registry.database.queries import load_queries

_QUERIES = load_queries("registry.services.backups", "table_comparison.sql")

_NAMED: Final = {
    *(f"public.{table.name}" for table in TABLES),
    "public.audit_events",
    "public.credential_data_keys",
}
"""Tables whose keys may be reported. Keys of other programs' tables could be secret."""
_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class TableForm:
    """A table with its columns (key columns first) and the order of its rows."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    key: int
    """The number of key columns; 0: no primary key."""
    order: str

    @property
    def statement(self) -> str:
        """The COPY statement for all rows as text, in an order independent of settings."""
        # The names come quoted from the database.
        columns = ", ".join(self.columns)
        query = f"SELECT {columns} FROM {self.name} AS t ORDER BY {self.order}"  # noqa: S608
        return f"COPY ({query}) TO STDOUT"


@dataclass(slots=True)
class TableComparison:
    """The numbers of compared tables and rows, and the differences."""

    tables: int = 0
    rows: int = 0
    differences: list[str] = field(default_factory=list)


def compare_tables(source: Connection, copy: Connection) -> TableComparison:
    """Compares every row of every table; both transactions get the same text settings.

    Raises:
        psycopg.Error: a table cannot be read.
    """
    for connection in (source, copy):
        connection.execute(_QUERIES["settings"])
    ours, theirs = _forms(source), _forms(copy)
    result = TableComparison()
    result.differences += [f"{name}: the table is not there" for name in ours.keys() - theirs]
    result.differences += [f"{name}: a table too many" for name in theirs.keys() - ours]
    for name in sorted(ours.keys() & theirs):
        result.tables += 1
        if ours[name] != theirs[name]:
            result.differences.append(f"{name}: its columns are others")
            continue
        result.differences += _compare(source, copy, ours[name], result)
    return result


def _forms(connection: Connection) -> dict[str, TableForm]:
    rows = connection.execute(_QUERIES["tables"]).fetchall()
    return {row[0]: TableForm(row[0], tuple(row[1]), tuple(row[2]), *row[3:]) for row in rows}


def _compare(
    source: Connection, copy: Connection, form: TableForm, result: TableComparison
) -> Iterator[str]:
    # Both come in the same order, so a moved row soon meets its counterpart. Only digests of
    # the differing rows are kept.
    ours: Counter[tuple[str, bytes]] = Counter()
    theirs: Counter[tuple[str, bytes]] = Counter()
    for line, other in itertools.zip_longest(
        copy_lines(source, form.statement), copy_lines(copy, form.statement)
    ):
        result.rows += line is not None
        if line == other:
            continue
        _keep(line, form, ours, theirs)
        _keep(other, form, theirs, ours)
    yield from _told(
        form, [key for key, _ in ours.elements()], [key for key, _ in theirs.elements()]
    )


def _keep(
    line: str | None,
    form: TableForm,
    own: Counter[tuple[str, bytes]],
    other: Counter[tuple[str, bytes]],
) -> None:
    if line is None:
        return
    key = ", ".join(line.rstrip("\n").split("\t")[: form.key])
    row = (key, hashlib.sha256(line.encode()).digest())
    if other[row]:
        other[row] -= 1
    else:
        own[row] += 1


def _told(form: TableForm, ours: list[str], theirs: list[str]) -> Iterator[str]:
    if not form.key or form.name not in _NAMED:
        if ours or theirs:
            yield f"{form.name}: {len(ours)} rows of the source, {len(theirs)} of the copy differ"
        return
    kinds = {
        "changed": sorted(set(ours) & set(theirs)),
        "missing": sorted(set(ours) - set(theirs)),
        "extra": sorted(set(theirs) - set(ours)),
    }
    for kind, keys in kinds.items():
        yield from (f"{form.name}: the row {key} is {kind}" for key in keys[:_LISTED])
        if len(keys) > _LISTED:
            yield f"{form.name}: {len(keys) - _LISTED} more rows are {kind}"
