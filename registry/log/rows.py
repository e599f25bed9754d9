"""Rows of the log in PostgreSQL's binary form, as they are hashed.

https://www.postgresql.org/docs/current/sql-copy.html (binary format)
"""

from collections.abc import Iterator
from typing import Final

from psycopg import sql

from registry.database.connection import Connection
from registry.database.copy_out import awaited, end_copy, start_copy
from registry.log.leaf import COLUMNS
from registry.log.row_form import SELECTED

_HEADER: Final = 19
_TRAILER: Final = 2
_COLUMN_COUNT: Final = 2


def copy_rows(connection: Connection, first: int, end: int, at_once: int) -> Iterator[list[bytes]]:
    """The rows at positions `first` up to before `end`, in the form of `registry.log.row_form`.

    They come in lists of `at_once` rows, the last of which is shorter, and may be empty.
    """
    there = sql.SQL("e.position >= {} AND e.position < {}").format(first, end)
    return _copied(connection, SELECTED, there, at_once)


def copy_leaves(connection: Connection, positions: list[int]) -> list[bytes]:
    """The leaves at these positions, in the order of the log."""
    there = sql.SQL("e.position = ANY({}::bigint[])").format(positions)
    copied = _copied(connection, COLUMNS, there, len(positions) + 1)
    return [row[_COLUMN_COUNT:] for rows in copied for row in rows]


def _copied(
    connection: Connection, columns: tuple[str, ...], condition: sql.Composable, at_once: int
) -> Iterator[list[bytes]]:
    statement = sql.SQL(
        "COPY (SELECT {} FROM public.audit_events AS e WHERE {} ORDER BY e.position) "
        "TO STDOUT (FORMAT binary)"
    ).format(sql.SQL(", ").join(sql.Identifier("e", column) for column in columns), condition)
    start_copy(connection, statement.as_bytes(connection))
    # A server sends one message for each row, the first with the header before it. They
    # are taken from libpq itself, many in one loop: the driver's costs as much as hashing.
    read = connection.pgconn.get_copy_data
    size, message = awaited(connection)
    message, size = message[_HEADER:], size - _HEADER
    while size > _TRAILER:
        rows = [bytes(message)]
        append = rows.append
        for _ in range(at_once - 1):
            size, message = read(1)
            if not size:
                size, message = awaited(connection)
            if size <= _TRAILER:
                break
            append(bytes(message))
        else:
            size, message = awaited(connection)
        yield rows
    while size > 0:
        size, _ = awaited(connection)
    end_copy(connection)
