"""Rows of the log in PostgreSQL's binary form, as they are hashed.

https://www.postgresql.org/docs/current/sql-copy.html (binary format)
"""

from collections.abc import Iterator
from typing import Final

from psycopg import sql
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from registry.database.connection import Connection
from registry.log.leaf import COLUMNS
from registry.log.row_form import SELECTED

_HEADER: Final = 19
_TRAILER: Final = 2
_COLUMN_COUNT: Final = 2


def copy_rows(connection: Connection, first: int, end: int) -> Iterator[bytes]:
    """The rows at positions `first` up to before `end`, in the form of `registry.log.row_form`."""
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
    # A server sends one message for each row, the first with the header before it. They
    # are taken from libpq itself: the driver's loop costs as much as hashing does.
    pgconn = connection.pgconn
    result = pgconn.exec_(statement.as_bytes(connection))
    if result.status != ExecStatus.COPY_OUT:
        raise error_from_result(result)
    size, message = pgconn.get_copy_data(0)
    message = message[_HEADER:]
    while size > 0:
        if len(message) > _TRAILER:
            yield bytes(message)
        size, message = pgconn.get_copy_data(0)
    while (last := pgconn.get_result()) is not None:
        if last.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(last)
