"""Preconditions of a rebuild: no other one is running, and no rows wait to be adopted."""

from typing import Final

from registry.database.connection import Connection, registry_errors, sessions_in_the_way
from registry.database.objects import RULES
from registry.database.queries import load_queries, one_row
from registry.errors import AdoptionPending, RebuildRunning
from registry.hints import Command, Hint

_LOCKS = load_queries("registry.database", "locks.sql")
_ADOPTION = load_queries("registry.services.adoption", "adoption.sql")

PENDING: Final = "the tables hold rows from before the registry, which are not in the log yet"


def try_rebuild_lock(connection: Connection) -> bool:
    """Takes the lock of rebuilds until the transaction ends; False if another one holds it."""
    return bool(one_row(connection.execute(_LOCKS["try_lock_rebuild"]))[0])


def refuse_other_rebuilds(connection: Connection) -> None:
    """The same for a transaction that gives up then.

    Raises:
        RebuildRunning: another rebuild holds the lock.
    """
    if not try_rebuild_lock(connection):
        holder = sessions_in_the_way(connection) or "it has just ended"
        raise RebuildRunning(
            f"another rebuild of this database is at work: {holder}",
            hint="Wait until it has ended; it leaves nothing behind if it is stopped.",
        )


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
