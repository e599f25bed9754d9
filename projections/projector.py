"""One event in, the row changes that follow from it out."""

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
"""All projected tables; one that refers to another stands after it."""

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
        "CredentialSecretsDestroyed",
        "EnvironmentFallbackUsed",
        "ExchangeAdded",
        "LegacyAdopted",
        "MasterKeyRotated",
        "ProjectionsRebuilt",
        "SchemaTakenDown",
        "SessionEnded",
    }
)
"""The event types that change none. There are no others."""


def project(event: StoredEvent) -> RowChange | None:
    """The change of a row that the event means, if it means one.

    Raises:
        SchemaTooNew: the event was written by a newer version of this program.
    """
    handler = HANDLERS.get(event.event_type)
    return None if handler is None else handler(upcast(event))
