"""Rows of the log in PostgreSQL's binary form, as they are hashed.

https://www.postgresql.org/docs/current/sql-copy.html (binary format)
"""

from collections.abc import Iterator
from typing import Final

from psycopg import sql

from registry.database.connection import Connection
from registry.log.chunk import SELECTED
from registry.log.leaf import COLUMNS

_HEADER: Final = 19
_TRAILER: Final = 2
_COLUMN_COUNT: Final = 2


def copy_rows(connection: Connection, first: int, end: int) -> Iterator[bytes]:
    """The rows at positions `first` up to before `end`, in the form of `registry.log.chunk`."""
    yield from _copied(
        connection,
        SELECTED,
        sql.SQL("e.position >= {} AND e.position < {}").format(first, end),
    )


def copy_leaves(connection: Connection, positions: list[int]) -> list[bytes]:
    """The leaves at these positions, in the order of the log."""
    there = sql.SQL("e.position = ANY({}::bigint[])").format(positions)
    return [row[_COLUMN_COUNT:] for row in _copied(connection, COLUMNS, there)]


def _copied(
    connection: Connection, columns: tuple[str, ...], condition: sql.Composable
) -> Iterator[bytes]:
    statement = sql.SQL(
        "COPY (SELECT {} FROM public.audit_events AS e WHERE {} ORDER BY e.position) "
        "TO STDOUT (FORMAT binary)"
    ).format(sql.SQL(", ").join(sql.Identifier("e", column) for column in columns), condition)
    # A server sends one message for each row, the first with the header before it.
    skipped = _HEADER
    with connection.cursor().copy(statement) as copy:
        for message in copy:
            row = bytes(message)[skipped:]
            skipped = 0
            if len(row) > _TRAILER:
                yield row
