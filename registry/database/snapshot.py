"""Lets several queries, and several connections, see the database at one moment."""

import contextlib
from collections.abc import Iterator

from registry.database.connection import Connection
from registry.database.queries import one_row


@contextlib.contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
    """A transaction that only reads, and sees nothing that happens meanwhile.

    Whoever opens one takes it back after an error (`registry_errors`): not if the server is gone.
    """
    begin_reading(connection)
    yield
    connection.execute("ROLLBACK")


def begin_reading(connection: Connection, snapshot: str | None = None) -> None:
    """Starts such a transaction, here or at the moment of another connection's.

    It ends with the connection, or a ROLLBACK.
    """
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    if snapshot is not None:
        connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'".encode())


def export_snapshot(connection: Connection) -> str:
    """The name of the transaction's moment, for other connections while it lasts."""
    (name,) = one_row(connection.execute("SELECT pg_export_snapshot()"))
    return str(name)
