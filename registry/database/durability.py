"""Waits until committed transactions are on disk.

An append holds one lock until the end of its transaction. If it held the lock during the
flush too, all clients together would get one event per flush. So while other clients append,
a transaction commits without waiting (`FLUSH_LATER_IF_OTHERS_WAIT`), and its client waits
before it reports success. The write-ahead log is flushed in order, so a later flush covers
all earlier commits.
"""

import time
from typing import Any, Final

import psycopg

from registry.database.connection import Connection
from registry.database.queries import load_queries, one_row

_QUERIES = load_queries("registry.database", "durability.sql")

_LOOKS: Final = 4
_LOOK_SECONDS: Final = 0.005
"""Whoever commits flushes in a moment; another flush would only compete with that one."""

FLUSH_LATER_IF_OTHERS_WAIT: Final = _QUERIES["flush_later_if_others_wait"]
"""The end of a statement that appends; its last column says whether a flush is still due."""


def send_flush(connection: Connection) -> psycopg.Cursor[Any]:
    """Sends a flush, outside a transaction; in pipeline mode it is done when the pipeline ends."""
    return connection.execute(_QUERIES["flush"])


def wait_until_durable(connection: Connection) -> None:
    """Returns when every commit that this connection can see survives a crash.

    To be called outside a transaction, before any step that cannot be taken back: an answer
    to a caller, the release of a secret, a signature over the log's head. If the server is
    configured to wait for standbys, this waits for them too.

    Raises:
        psycopg.Error: the connection was lost; the commits may or may not be on disk.
    """
    send_flush(connection).fetchone()


def wait_until_flushed(connection: Connection, place: str) -> None:
    """The same for commits before a place of the server's log, which others are about to flush.

    Whoever only reads then causes no flush, as a rule.
    """
    for _ in range(_LOOKS):
        if one_row(connection.execute(_QUERIES["is_flushed"], {"place": place}))[0]:
            return
        time.sleep(_LOOK_SECONDS)
    wait_until_durable(connection)
