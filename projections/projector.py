"""Turns one event into the row changes that follow from it."""

from collections.abc import Callable
from typing import Final

from projections import access, accounts, credentials, positions, sharing, versions
from projections.rows import RowChange
from registry.events.stored import StoredEvent
from registry.events.upcasting import upcast

TABLES: Final = (
    accounts.TABLE,
    credentials.TABLE,
    sharing.TABLE,
    access.TABLE,
    versions.TABLE,
    positions.TABLE,
)
"""All projected tables; a table stands after the tables that it refers to."""

Handler = Callable[[StoredEvent], RowChange]

_MODULES: Final = (accounts, credentials, positions, sharing, access, versions)
HANDLERS: Final[dict[str, tuple[Handler, ...]]] = {
    event_type: tuple(m.HANDLERS[event_type] for m in _MODULES if event_type in m.HANDLERS)
    for event_type in dict.fromkeys(name for module in _MODULES for name in module.HANDLERS)
}
"""The projectors of each event type that changes tables."""

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


def project(event: StoredEvent) -> tuple[RowChange, ...]:
    """The row changes that follow from the event.

    Raises:
        SchemaTooNew: the event was written by a newer version of this program.
    """
    handlers = HANDLERS.get(event.event_type)
    if handlers is None:
        return ()
    current = upcast(event)
    return tuple(handler(current) for handler in handlers)
