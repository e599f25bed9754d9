"""Lets one rebuild of a database be at work at a time, and nothing beside it that rebuilds too."""

import contextlib
from collections.abc import Iterator

from registry.database.connection import Connection, registry_errors
from registry.database.queries import load_queries, one_row
from registry.errors import RebuildRunning

_QUERIES = load_queries("registry.rebuild", "rebuild.sql")


@contextlib.contextmanager
def rebuild_lock(connection: Connection) -> Iterator[None]:
    """Holds the lock that every rebuild of the database takes.

    Raises:
        RebuildRunning: another rebuild holds it.
    """
    with registry_errors(connection):
        (got,) = one_row(connection.execute(_QUERIES["try_lock"]))
    if not got:
        raise RebuildRunning(
            "another rebuild of this database is at work",
            hint="Wait until it has ended; it leaves nothing behind if it is stopped.",
        )
    try:
        yield
    finally:
        if not connection.closed and not connection.broken:
            with registry_errors(connection):
                connection.execute(_QUERIES["unlock"])
