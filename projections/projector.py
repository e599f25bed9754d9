"""Turns one event into the row change that follows from it."""

from collections.abc import Callable
from typing import Final

from projections import access, accounts, credentials, positions, sharing
from projections.rows import RowChange
from registry.events.stored import StoredEvent
from registry.events.upcasting import upcast

TABLES: Final = (
    accounts.TABLE,
    credentials.TABLE,
    sharing.TABLE,
    access.TABLE,
    positions.TABLE,
)
"""All projected tables; a table stands after the tables that it refers to."""

HANDLERS: Final[dict[str, Callable[[StoredEvent], RowChange]]] = {
    **accounts.HANDLERS,
    **credentials.HANDLERS,
    **positions.HANDLERS,
    **sharing.HANDLERS,
    **access.HANDLERS,
}
"""The projector of each event type that changes a table."""

UNPROJECTED: Final = frozenset(
    {
        "CredentialChecked",
        "CredentialSecretsDestroyed",
        "EnvironmentFallbackUsed",
        "ExchangeAdded",
        "ExchangeRemoved",
        "ExchangeUpdated",
        "LegacyAdopted",
        "MasterKeyRotated",
        "ProjectionsRebuilt",
        "SchemaTakenDown",
        "SessionEnded",
        "UseStopped",
        "UseResumed",
    }
)
"""The event types that change no table. Every other type has a handler."""


def project(event: StoredEvent) -> RowChange | None:
    """The row change that follows from the event, or None.

    Raises:
        SchemaTooNew: the event was written by a newer version of this program.
    """
    handler = HANDLERS.get(event.event_type)
    return None if handler is None else handler(upcast(event))
