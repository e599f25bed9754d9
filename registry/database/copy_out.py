"""Reads the output of `COPY … TO STDOUT` row by row, with little overhead.

psycopg's own iteration over a COPY starts a wait for each line, even for a line that has
arrived already. For short lines that is more than half of the reading time.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import psycopg
from psycopg import generators, pq
from psycopg.abc import PQGen
from psycopg.waiting import Wait

_T = TypeVar("_T")


def copy_lines(connection: psycopg.Connection[Any], statement: str) -> Iterator[str]:
    """The lines, each with its line end; errors as `copy_out`."""
    return copy_out(connection, statement.encode(), _text)


_text: Final = functools.partial(str, encoding="utf-8")


def copy_out(
    connection: psycopg.Connection[Any], statement: bytes, form: Callable[[memoryview], _T]
) -> Iterator[_T]:
    """Yields the messages of the server, each converted by `form`.

    Raises:
        psycopg.Error: the server refuses the statement, or ends it early.
    """
    connection.pgconn.send_query(statement)
    (result,) = connection.wait(generators.execute(connection.pgconn))
    if result.status != pq.ExecStatus.COPY_OUT:
        raise psycopg.errors.error_from_result(result)
    read = connection.pgconn.get_copy_data
    length = 1
    all_seen = False
    try:
        while length >= 0:
            length, message = _awaited(connection)
            arrived = []
            while length > 0:
                arrived.append(form(message))
                length, message = read(1)
            yield from arrived
        all_seen = True
    finally:
        if not all_seen and not connection.closed:
            _leave(connection, length)
    for result in connection.wait(generators.fetch_many(connection.pgconn)):
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)


def _leave(connection: psycopg.Connection[Any], length: int) -> None:
    """Ends a COPY of which the caller has seen enough; `length` is that of the newest message."""
    if length >= 0:
        connection.cancel_safe()
    while length >= 0:
        length, _ = _awaited(connection)
    connection.wait(generators.fetch_many(connection.pgconn))


def _awaited(connection: psycopg.Connection[Any]) -> tuple[int, memoryview]:
    """Awaits the next message of a COPY: its length, negative at the end, and its bytes."""
    connection.pgconn.consume_input()  # without waiting
    while True:
        length, data = connection.pgconn.get_copy_data(1)
        if length:
            return length, data
        connection.wait(_arrival(connection.pgconn))


def _arrival(libpq: pq.abc.PGconn) -> PQGen[None]:
    while not (yield Wait.R):
        pass
    libpq.consume_input()
