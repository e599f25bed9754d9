"""Rehearses down, up and rebuild on a copy and compares; the database itself stays unchanged.

The copy is a database of its own on the same server, dropped at the end. It holds the log, the
tables, the bot's positions, and the referring columns of other tables. The keys are not copied,
since nothing here decrypts a secret.
"""

import contextlib
import itertools
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from projections import TABLES
from registry.database.connection import Connection, connect, is_pooled, registry_errors
from registry.database.migrator import Migrator
from registry.database.queries import load_queries, one_row
from registry.database.snapshot import begin_reading
from registry.database.target import DIRECT, Target
from registry.database.watched import address_of_same_server
from registry.errors import SessionNeeded
from registry.events.registry import ForeignReference
from registry.execution.executor import Invocation
from registry.rebuild.comparison import Watch
from registry.services.schema.schema import bring_up, contents, take_down

_QUERIES = load_queries("registry.services.schema", "rehearsal.sql")
_TABLES: Final = [table.name for table in TABLES if not table.partial]
_BOT: Final = ("public.symbols", "public.dexes", "public.strategy_positions")
_LOG: Final = "public.audit_events"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The result of a rehearsal."""

    rows: dict[str, int]
    """Table -> number of compared rows."""
    differences: list[str]
    """Tables whose rows or references differ afterwards; empty on success."""
    seconds_down: float
    seconds_up: float


def rehearse(
    connection: Connection, invocation: Invocation, watch: Watch | None = None
) -> Rehearsed:
    """Takes a copy down and up, and compares every row with the original.

    Raises:
        TablesDiffer, InUseByOthers: the real `take_down` would be refused for this reason.
        PermissionDenied: the role may not create a database.
        SessionNeeded: a pooler is in between, which knows no new databases.
    """
    if is_pooled(connection):
        raise SessionNeeded(
            "a rehearsal makes a database on the server, and a pooler is in between",
            hint=f"Name the server itself in {DIRECT}.",
        )
    with _scratch_database(connection) as scratch, registry_errors(connection):
        begin_reading(connection)
        references = contents(connection).references
        with registry_errors(scratch):
            _copy(connection, scratch, references)
        started = time.monotonic()
        take_down(scratch, invocation, watch)
        down = time.monotonic()
        bring_up(scratch, lambda: invocation, watch)
        up = time.monotonic()
        rows: dict[str, int] = {}
        differences = [
            name for name, query in _compared() if not _same(connection, scratch, name, query, rows)
        ]
        if contents(scratch).references != references:
            differences.append("foreign keys")
        connection.execute("COMMIT")
    return Rehearsed(rows, differences, down - started, up - down)


def _compared() -> Iterator[tuple[str, sql.Composed]]:
    for table in TABLES:
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        query = sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT").format(
            columns, sql.Identifier("public", table.name), sql.Identifier(table.key)
        )
        yield table.name, query


def _same(
    original: Connection, scratch: Connection, name: str, query: sql.Composed, rows: dict[str, int]
) -> bool:
    same, count = True, 0
    with original.cursor().copy(query) as first, scratch.cursor().copy(query) as second:
        for line, other in itertools.zip_longest(first, second):
            count += 1
            same = same and line == other
    rows[name] = count
    return same


@contextlib.contextmanager
def _scratch_database(connection: Connection) -> Iterator[Connection]:
    name = f"registry_rehearsal_{uuid.uuid4().hex[:12]}"
    with registry_errors(connection):
        create = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'"
        connection.execute(sql.SQL(create).format(sql.Identifier(name)))
    try:
        address = address_of_same_server(connection, name)
        with connect(Target(address)) as scratch:
            yield scratch
    finally:
        with registry_errors(connection):
            drop = "DROP DATABASE {} WITH (FORCE)"
            connection.execute(sql.SQL(drop).format(sql.Identifier(name)))


def _copy(
    original: Connection, scratch: Connection, references: Sequence[ForeignReference]
) -> None:
    for table in _BOT:
        columns = _columns(original, table, without="account_id")
        _create(scratch, table, columns)
        _copy_rows(original, scratch, table, list(columns))
    Migrator(scratch).up()
    _copy_rows(original, scratch, _LOG, list(_columns(original, _LOG)))
    size, peaks = one_row(original.execute(_QUERIES["head"]))
    scratch.execute(_QUERIES["set_head"], {"size": size, "peaks": peaks})
    for name in _TABLES:
        table = f"public.{name}"
        with _unguarded(scratch, name):
            _copy_rows(original, scratch, table, list(_columns(original, table)))
    owners = original.execute(_QUERIES["owners"]).fetchall()
    parameters = {"ids": [row[0] for row in owners], "owners": [row[1] for row in owners]}
    scratch.execute(_QUERIES["set_owners"], parameters)
    for reference in references:
        _copy_reference(original, scratch, reference)


def _copy_reference(original: Connection, scratch: Connection, reference: ForeignReference) -> None:
    """Copies the columns of another program's table that a foreign key needs."""
    parameters = {"table": reference.table, "constraint": reference.constraint}
    (names,) = one_row(original.execute(_QUERIES["reference_columns"], parameters))
    kinds = _columns(original, reference.table)
    columns = {name: kinds[name] for name in names}
    schema, _, _ = reference.table.partition(".")
    if schema != "public":
        scratch.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
    _create(scratch, reference.table, columns)
    _copy_rows(original, scratch, reference.table, list(columns))
    add = "ALTER TABLE {} ADD CONSTRAINT {} {}"
    scratch.execute(
        sql.SQL(add).format(
            sql.SQL(reference.table),
            sql.Identifier(reference.constraint),
            sql.SQL(reference.definition),
        )
    )


def _columns(original: Connection, table: str, *, without: str = "") -> dict[str, str]:
    rows = original.execute(_QUERIES["columns"], {"table": table}).fetchall()
    return {name: kind for name, kind in rows if name != without}


def _create(scratch: Connection, table: str, columns: dict[str, str]) -> None:
    described = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
        for name, kind in columns.items()
    )
    key = sql.SQL(", PRIMARY KEY (id)") if table in _BOT else sql.SQL("")
    statement = sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}{})")
    scratch.execute(statement.format(sql.SQL(table), described, key))
    for name, kind in columns.items():
        # Another foreign key of the same table may have created the column already.
        add = sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}")
        scratch.execute(add.format(sql.SQL(table), sql.Identifier(name), sql.SQL(kind)))


def _copy_rows(
    original: Connection, scratch: Connection, table: str, columns: Sequence[str]
) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    out = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(names, sql.SQL(table))
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.SQL(table), names)
    with original.cursor().copy(out) as source, scratch.cursor().copy(into) as target:
        for line in source:
            target.write(line)


@contextlib.contextmanager
def _unguarded(scratch: Connection, name: str) -> Iterator[None]:
    table = sql.Identifier("public", name)
    scratch.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(table))
    yield
    scratch.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(table))
