"""Lets several queries see the database at one moment."""

import contextlib
from collections.abc import Iterator

from registry.database.connection import Connection


@contextlib.contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
    """A transaction that only reads, and sees nothing that happens meanwhile.

    Whoever opens one takes it back after an error (`registry_errors`): not if the server is gone.
    """
    begin_reading(connection)
    yield
    connection.execute("ROLLBACK")


def begin_reading(connection: Connection) -> None:
    """Starts such a transaction; it ends with the connection, or a ROLLBACK."""
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
