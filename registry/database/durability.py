"""Waiting until what was committed is on disk.

Appends hold one lock to the end of their transaction. Were it held during the flush too,
all clients together would get one event per flush. So where others append at the same time,
a transaction commits without waiting (`FLUSH_LATER_IF_OTHERS_WAIT`), and whoever tells
somebody about it waits first: the write-ahead log is flushed in order, so a flush of anything
later has flushed it too.
"""

from typing import Any, Final

import psycopg

from registry.database.connection import Connection
from registry.database.queries import load_queries

_QUERIES = load_queries("registry.database", "durability.sql")

FLUSH_LATER_IF_OTHERS_WAIT: Final = _QUERIES["flush_later_if_others_wait"]
"""The end of a statement that appends; its last column says whether a flush is still due."""


def send_flush(connection: Connection) -> psycopg.Cursor[Any]:
    """Sends a flush, outside a transaction; in pipeline mode it is done when the pipeline ends."""
    return connection.execute(_QUERIES["flush"])


def wait_until_durable(connection: Connection) -> None:
    """Returns when everything that this connection could see committed survives a crash.

    To be called outside a transaction, before anything is done that could not be taken
    back: an answer to a caller, a secret that leaves, a signature over the log's head.
    Where the server is told to wait for standbys too, this waits for them.

    Raises:
        psycopg.Error: the connection was lost; whether it is on disk is unknown.
    """
    send_flush(connection).fetchone()
