"""Whether the tables follow from the log."""

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

from psycopg import sql

from projections import Table, accounts, credentials, project, sharing
from projections.memory_sink import Rows, apply_to_memory
from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.errors import SchemaTooNew
from registry.events.stored import StoredEvent
from registry.log.chunk import Failure

_QUERIES = load_queries("registry.services", "drift.sql")
_TABLES: Final = (accounts.TABLE, credentials.TABLE, sharing.TABLE)
_CHECK: Final = "projections"


def drift(connection: Connection) -> Iterator[Failure]:
    """Each row of the three tables that differs from what the log says."""
    rows: Rows = {table.name: {} for table in _TABLES}
    try:
        _replay(connection, rows)
    except (KeyError, SchemaTooNew) as error:
        yield Failure(_CHECK, f"the log cannot be replayed: {error}")
        return
    for table in _TABLES:
        yield from _compare(connection, table, rows[table.name])


def _replay(connection: Connection, rows: Rows) -> None:
    with connection.cursor(name="replay") as cursor:
        cursor.itersize = 5000
        for row in cursor.execute(_QUERIES["events"]):
            change = project(StoredEvent(*row))
            if change is not None:
                apply_to_memory(rows, change)


def _compare(
    connection: Connection, table: Table, expected: dict[str, dict[str, Any]]
) -> Iterator[Failure]:
    columns = list(table.columns)
    statement = sql.SQL("SELECT {} FROM public.{} AS t").format(
        sql.SQL(", ").join(sql.Identifier("t", column) for column in columns),
        sql.Identifier(table.name),
    )
    with connection.cursor(name="rows") as cursor:
        cursor.itersize = 5000
        for values in cursor.execute(statement):
            stored = dict(zip(columns, values, strict=True))
            key = str(stored[table.key])
            wanted = expected.pop(key, None)
            if wanted is None:
                yield Failure(_CHECK, f"{table.name} has a row {key} that no event made")
                continue
            different = [c for c in columns if _plain(stored[c]) != _wanted(table, c, wanted)]
            if different:
                message = f"{table.name} row {key} differs from the log in {', '.join(different)}"
                yield Failure(_CHECK, message)
    for key in expected:
        yield Failure(_CHECK, f"{table.name} lacks the row {key}")


def _plain(value: Any) -> Any:
    return value if isinstance(value, dt.datetime | dict | list | int | None) else str(value)


def _wanted(table: Table, column: str, row: dict[str, Any]) -> Any:
    value = row.get(column)
    if table.columns[column] == "timestamp" and value is not None:
        return dt.datetime.fromisoformat(value)
    return value
