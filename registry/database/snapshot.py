"""Lets several queries, and several connections, share one snapshot of the database."""

import contextlib
from collections.abc import Iterator

from registry.database.connection import Connection
from registry.database.queries import one_row


@contextlib.contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
    """A read-only transaction that sees one snapshot of the database.

    After an error the caller's `registry_errors` rolls it back, unless the connection is lost.
    """
    begin_reading(connection)
    yield
    connection.execute("ROLLBACK")


def begin_reading(connection: Connection, snapshot: str | None = None) -> None:
    """Starts such a transaction, with its own snapshot or with that of another connection.

    It ends with the connection, or a ROLLBACK.
    """
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    if snapshot is not None:
        connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'".encode())


def export_snapshot(connection: Connection) -> str:
    """The name of the transaction's snapshot, for other connections while it lasts."""
    (name,) = one_row(connection.execute("SELECT pg_export_snapshot()"))
    return str(name)
