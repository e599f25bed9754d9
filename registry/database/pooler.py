"""What a pooler such as PgBouncer changes, and how to get past it.

A pooler in transaction mode lends its clients a session of the server for one transaction at a
time. What needs a session of its own uses the address `DATABASE_URL_DIRECT`, if there is one.
"""

import contextlib
from typing import Any, Final

import psycopg

from registry.database.connection import Connection, connect, connect_unchecked, is_pooled
from registry.database.patience import Notice
from registry.database.queries import load_queries, one_row
from registry.database.target import DIRECT, Target
from registry.database.watched import probing
from registry.errors import DatabaseUnavailable, InvalidInput, SessionNeeded

_QUERIES = load_queries("registry.database")
_TRIES: Final = 5
OTHER_DATABASE: Final = (
    f"{DIRECT} is another database than DATABASE_URL",
    "It names the same database, without the pooler.",
)
"""The message and the hint of a direct address that is wrong."""


def lends_transactions(connection: Connection) -> bool:
    """Whether a pooler is in between, and lends sessions for one transaction at a time.

    Then another client soon gets the session that this one has just had, or this one gets
    another session.
    """
    if not is_pooled(connection):
        return False
    mine = _session(connection)
    with contextlib.suppress(psycopg.OperationalError):  # all sessions may be taken, by others
        for _ in range(_TRIES):
            with probing(connection) as other:
                other.execute("BEGIN")
                if _session(other) == mine or _session(connection) != mine:
                    return True
    return _session(connection) != mine


def is_same_database(one: Connection, other: Connection) -> bool:
    """Whether two connections lead to the same database of the same running server."""
    first, second = (one_row(c.execute(_QUERIES["identity"])) for c in (one, other))
    return bool(first == second)


def refuse_pooler(connection: Connection, what: str) -> None:
    """Guards what sets up its session by itself, or uses several of them in turn.

    Raises:
        SessionNeeded: a pooler in transaction mode is in between.
    """
    if lends_transactions(connection):
        raise SessionNeeded(
            f"{what} needs a session of its own, and a pooler lends one for a transaction only",
            hint=f"Name the server itself in {DIRECT}.",
        )


def connect_directly(target: Target, notice: Notice = lambda _: None) -> Connection:
    """A connection to the server itself, if `DATABASE_URL_DIRECT` names it; else as `connect`.

    Raises:
        InvalidInput: it names another database.
        DatabaseUnavailable: no server answers in time.
    """
    if target.direct is None:
        return connect_unchecked(target, notice)
    try:
        connection = connect_unchecked(target.direct, notice)
    except DatabaseUnavailable as error:
        hint = f"Check {DIRECT}, and that its server runs."
        raise DatabaseUnavailable(f"{DIRECT}: {error.message}", hint=hint) from None
    with connect(target, notice) as other:
        if not is_same_database(connection, other):
            connection.close()
            message, hint = OTHER_DATABASE
            raise InvalidInput(message, hint=hint)
    return connection


def _session(connection: psycopg.Connection[Any]) -> int:
    (pid,) = one_row(connection.execute("SELECT pg_backend_pid()"))
    return int(pid)
