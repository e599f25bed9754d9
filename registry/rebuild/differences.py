"""Compares the rows of the tables with those that follow from the log."""

import itertools
import operator
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from projections.memory_sink import Rows
from projections.projector import TABLES
from projections.rows import Row, Table
from registry.database.connection import Connection
from registry.database.copy_out import copy_lines
from registry.rebuild.repair_rows import Repairs
from registry.rebuild.replay import Slice
from registry.rebuild.text_rows import as_in_copy, join_lines, line_of, split_line, values_of

_T = TypeVar("_T")
Kind = Literal["missing", "extra", "changed"]

HIDDEN: Final = "(encrypted)"
LISTED: Final = 1_000
"""The maximum number of differing rows that are listed; all are counted."""
_BATCH: Final = 500
_NAMES: Final = ("account_name", "account_id", "primary_account_id")


@dataclass(frozen=True, slots=True)
class RowDrift:
    """A row that differs from the log."""

    table: str
    kind: Kind
    key: str
    name: str | None
    """The account's name, or else the id of the row's account."""
    columns: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    """Of a changed row: column -> (value in the table, value by the log), never encrypted."""

    def __str__(self) -> str:
        match self.kind:
            case "extra":
                return f"{self.table} has a row {self.key} that no event made"
            case "missing":
                return f"{self.table} lacks the row {self.key}"
            case "changed":
                columns = ", ".join(self.columns)
                return f"{self.table} row {self.key} differs from the log in {columns}"


@dataclass(slots=True)
class Findings:
    """Collects the results of a comparison."""

    tell: Callable[[RowDrift], None]
    """Receives the first rows that differ, and all extra rows."""
    repairs: Repairs
    room: int = LISTED
    """The number of rows that may still be listed."""
    counts: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    """(table, kind) -> number of rows that differ."""

    def found(self, row: RowDrift) -> None:
        """Counts a row that differs, and lists it if there is room."""
        self.counts[row.table, row.kind] += 1
        if self.room > 0 or row.kind == "extra":
            self.tell(row)
        self.room -= 1


def compare(
    connection: Connection,
    rows: Rows,
    part: Slice,
    findings: Findings,
    *,
    exists: bool = True,
    tokens: bool = True,
) -> int:
    """Compares a slice's rows with the tables and returns the number of rows in the tables.

    The rows are consumed. Tables of another program are left to the caller, since their rows
    can move between slices. `exists` says whether the tables exist. Without `tokens`, the
    columns with tokens are not compared, and no repair is possible.
    """
    counted = 0
    for whole in TABLES:
        if whole.partial:
            continue
        table = whole if tokens else whole.without_secrets()
        wanted = rows.pop(table.name, {})
        if exists:
            counted += _compare_table(connection, table, wanted, part, findings)
        if wanted:
            _missing(table, wanted, findings)
    return counted


def _missing(table: Table, wanted: dict[str, Row], findings: Findings) -> None:
    told = min(len(wanted), max(findings.room, 0))
    for key, row in itertools.islice(wanted.items(), told):
        findings.tell(RowDrift(table.name, "missing", key, _name(row)))
    findings.room -= told
    findings.counts[table.name, "missing"] += len(wanted)
    # Rows of one account are adjacent in the tables and in most of their indexes, so ordered
    # inserts hit the processor's cache.
    ordered = sorted(wanted.values(), key=operator.itemgetter(table.owner))
    for batch in _batches(iter(ordered)):
        lines = join_lines([line_of(table, row) for row in batch])
        findings.repairs.write(table.name, "missing", lines)


def _compare_table(
    connection: Connection, table: Table, wanted: dict[str, Row], part: Slice, findings: Findings
) -> int:
    """Compares one table, and removes every row that it has from `wanted`."""
    counted = 0
    suspects: list[tuple[str, Row]] = []
    statement = (
        f"COPY (SELECT {', '.join(table.columns)} FROM public.{table.name}"
        f" WHERE {part.condition(table.owner)}) TO STDOUT"
    )
    for whole in copy_lines(connection, statement):
        line = whole[:-1]
        counted += 1
        key = line.partition("\t")[0]
        row = wanted.pop(key, None)
        if row is None:
            live = dict(zip(table.columns, split_line(line), strict=True))
            findings.found(RowDrift(table.name, "extra", key, _name(live)))
        elif line != line_of(table, row):
            suspects.append((line, row))
    for batch in _batches(iter(suspects)):
        _compare_exactly(connection, table, batch, findings)
    return counted


def _compare_exactly(
    connection: Connection, table: Table, suspects: list[tuple[str, Row]], findings: Findings
) -> None:
    # The same value can be written in several ways (1e3 and 1000, .5 and .500 seconds):
    # PostgreSQL itself converts the values of the log to its own form.
    columns = list(table.columns)
    given = [list(texts) for texts in zip(*(values_of(table, r) for _, r in suspects), strict=True)]
    statement = (
        f"SELECT {as_in_copy(table, 'w.')}"
        f" FROM unnest({', '.join(['%s::text[]'] * len(columns))})"
        f" WITH ORDINALITY AS w ({', '.join(columns)}, n) ORDER BY w.n"
    )
    canonical = connection.execute(statement.encode(), given)
    for (line, row), expected in zip(suspects, canonical, strict=True):
        found = split_line(line)
        differences = {
            column: (HIDDEN, HIDDEN) if column in table.secret else (live, logged)
            for column, live, logged in zip(columns, found, expected, strict=True)
            if live != logged
        }
        if differences:
            findings.repairs.write(table.name, "changed", join_lines([line_of(table, row)]))
            key = found[0] or ""
            findings.found(RowDrift(table.name, "changed", key, _name(row), differences))


def _name(row: Row) -> str | None:
    return next((row[column] for column in _NAMES if row.get(column) is not None), None)


def _batches(items: Iterator[_T]) -> Iterator[list[_T]]:
    while batch := list(itertools.islice(items, _BATCH)):
        yield batch
