"""Reads what `COPY … TO STDOUT` gives, line by line, with as little as possible in between.

psycopg's own iteration over a COPY starts a wait for each line, also for those that are here
already; for short lines that is more than half of the reading time.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import generators, pq
from psycopg.abc import PQGen
from psycopg.waiting import Wait


def copy_lines(connection: psycopg.Connection[Any], statement: str) -> Iterator[str]:
    """The lines, each with its line end.

    Raises:
        psycopg.Error: the server refuses the statement, or ends it early.
    """
    start_copy(connection, statement.encode())
    read = connection.pgconn.get_copy_data
    length = 1
    try:
        while True:
            length, line = read(1)
            if length == 0:
                length, line = awaited(connection)
            if length < 0:
                break
            yield str(line, "utf-8")
    finally:
        if length >= 0 and not connection.closed:  # the caller has seen enough
            connection.cancel_safe()
            while length >= 0:
                length, _ = awaited(connection)
            connection.wait(generators.fetch_many(connection.pgconn))
    end_copy(connection)


def start_copy(connection: psycopg.Connection[Any], statement: bytes) -> None:
    """Sends the statement; `get_copy_data(1)` gives what has come, and 0 if `awaited` is due.

    Raises:
        psycopg.Error: the server refuses the statement.
    """
    connection.pgconn.send_query(statement)
    (result,) = connection.wait(generators.execute(connection.pgconn))
    if result.status != pq.ExecStatus.COPY_OUT:
        raise psycopg.errors.error_from_result(result)


def awaited(connection: psycopg.Connection[Any]) -> tuple[int, memoryview]:
    """What comes next of a COPY: its length, negative at the end, and its bytes."""
    while True:
        length, data = connection.pgconn.get_copy_data(1)
        if length:
            return length, data
        connection.wait(_arrival(connection.pgconn))


def end_copy(connection: psycopg.Connection[Any]) -> None:
    """Takes the result of a COPY of which all has come.

    Raises:
        psycopg.Error: the server ended it early.
    """
    for result in connection.wait(generators.fetch_many(connection.pgconn)):
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)


def _arrival(libpq: pq.abc.PGconn) -> PQGen[None]:
    while not (yield Wait.R):
        pass
    libpq.consume_input()
