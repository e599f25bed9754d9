"""Preconditions of a rebuild: no other one is running, and no rows wait to be adopted."""

import contextlib
from collections.abc import Iterator
from typing import Final

from registry.database.connection import Connection, registry_errors, sessions_in_the_way
from registry.database.objects import RULES
from registry.database.queries import load_queries, one_row
from registry.errors import AdoptionPending, RebuildRunning
from registry.hints import Command, Hint

_LOCKS = load_queries("registry.database", "locks.sql")
_ADOPTION = load_queries("registry.services.adoption", "adoption.sql")

PENDING: Final = "the tables hold rows from before the registry, which are not in the log yet"


@contextlib.contextmanager
def rebuild_lock(connection: Connection) -> Iterator[None]:
    """Holds the lock that every rebuild of the database takes.

    Raises:
        RebuildRunning: another rebuild holds it.
    """
    with registry_errors(connection):
        (got,) = one_row(connection.execute(_LOCKS["try_lock_rebuild"]))
        holder = "" if got else sessions_in_the_way(connection)
    if not got:
        raise RebuildRunning(
            f"another rebuild of this database is at work: {holder or 'it has just ended'}",
            hint="Wait until it has ended; it leaves nothing behind if it is stopped.",
        )
    try:
        yield
    finally:
        if not connection.closed and not connection.broken:
            with registry_errors(connection):
                connection.execute(_LOCKS["unlock_rebuild"])


def adoption_pending(connection: Connection) -> bool:
    """Whether there are rows from before the registry that are not in the log."""
    with registry_errors(connection):
        (pending,) = one_row(connection.execute(_ADOPTION["pending"], {"rules": list(RULES)}))
    return bool(pending)


def refuse_while_pending(connection: Connection) -> None:
    """Guards operations that would mistake rows from before the registry for damage.

    Raises:
        AdoptionPending: there are such rows.
    """
    if adoption_pending(connection):
        raise AdoptionPending(
            PENDING, hint=Hint("Take them in first: ", Command("adopt", dry_run=True))
        )
