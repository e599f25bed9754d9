"""Reads rows of the log in PostgreSQL's binary form, which is also the hashed form.

https://www.postgresql.org/docs/current/sql-copy.html (binary format)
"""

import itertools
from collections.abc import Iterator
from typing import Final

from psycopg import sql

from registry.database.connection import Connection
from registry.database.copy_out import copy_out
from registry.log.leaf import COLUMNS
from registry.log.row_form import SELECTED

_HEADER: Final = 19
_TRAILER: Final = 2
_COLUMN_COUNT: Final = 2


def copy_rows(connection: Connection, first: int, end: int, at_once: int) -> Iterator[list[bytes]]:
    """The rows from `first` to `end`, `end` excluded, in the form of `registry.log.row_form`.

    They come in lists of `at_once` rows; the last list is shorter, and may be empty.
    """
    there = sql.SQL("e.position >= {} AND e.position < {}").format(first, end)
    return _copied(connection, SELECTED, there, at_once)


def copy_leaves(connection: Connection, positions: list[int]) -> list[bytes]:
    """The leaves at these positions, in the order of the log."""
    there = sql.SQL("e.position = ANY({}::bigint[])").format(positions)
    selected = tuple(f"e.{name}" for name in COLUMNS)
    copied = _copied(connection, selected, there, len(positions) + 1)
    return [row[_COLUMN_COUNT:] for rows in copied for row in rows]


def _copied(
    connection: Connection, selected: tuple[str, ...], condition: sql.Composable, at_once: int
) -> Iterator[list[bytes]]:
    statement = sql.SQL(
        "COPY (SELECT {} FROM public.audit_events AS e WHERE {} ORDER BY e.position) "
        "TO STDOUT (FORMAT binary)"
    ).format(sql.SQL(", ".join(selected)), condition)
    # A server sends one message for each row, the first with the header before it.
    messages = copy_out(connection, statement.as_bytes(connection), bytes)
    rows = itertools.chain([next(messages)[_HEADER:]], messages)
    while some := list(itertools.islice(rows, at_once)):
        if len(some[-1]) == _TRAILER:
            del some[-1]
        yield some
