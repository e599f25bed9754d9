"""Reads what `COPY … TO STDOUT` gives, line by line, with as little as possible in between.

psycopg's own iteration over a COPY waits without blocking, which a thread pool or a server
needs and a rebuild does not; for short lines that is more than half of the reading time.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import pq


def copy_lines(connection: psycopg.Connection[Any], statement: str) -> Iterator[str]:
    """The lines, each with its line end.

    Raises:
        psycopg.Error: the server refuses the statement, or ends it early.
    """
    libpq = connection.pgconn
    result = libpq.exec_(statement.encode())
    if result.status != pq.ExecStatus.COPY_OUT:
        raise psycopg.errors.error_from_result(result)
    read = libpq.get_copy_data
    length = 1
    try:
        while True:
            length, line = read(0)
            if length < 0:
                break
            yield str(line, "utf-8")
    finally:
        if length >= 0:  # the caller has seen enough
            connection.cancel_safe()
            while length >= 0:
                length, _ = read(0)
            _results(libpq)
    for result in _results(libpq):
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)


def _results(libpq: pq.abc.PGconn) -> list[pq.abc.PGresult]:
    results = []
    while (result := libpq.get_result()) is not None:
        results.append(result)
    return results
