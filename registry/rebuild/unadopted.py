"""Whether there are rows from before the registry that wait to be adopted."""

from typing import Final

from registry.database.connection import Connection, registry_errors
from registry.database.queries import load_queries, one_row
from registry.errors import AdoptionPending
from registry.hints import Command, Hint

PENDING: Final = "the tables hold rows from before the registry, which are not in the log yet"

_QUERIES = load_queries("registry.services.adoption", "adoption.sql")


def adoption_pending(connection: Connection) -> bool:
    """Whether there are rows from before the registry that are not in the log."""
    with registry_errors(connection):
        (pending,) = one_row(connection.execute(_QUERIES["pending"]))
    return bool(pending)


def refuse_while_pending(connection: Connection) -> None:
    """Guards what would take such rows for damage.

    Raises:
        AdoptionPending: there are some.
    """
    if adoption_pending(connection):
        raise AdoptionPending(
            PENDING,
            hint=Hint("Take them in first: ", Command("adopt", dry_run=True)),
        )
