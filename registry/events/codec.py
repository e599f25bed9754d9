"""Parses stored events into typed events."""

from typing import Final

from registry.errors import SchemaTooNew
from registry.events.access import AccessGranted, AccessRevoked
from registry.events.accounts import (
    AccountCreated,
    AccountDeactivated,
    AccountDeleted,
    AccountReactivated,
    AccountRenamed,
    AccountRestored,
    AccountUpdated,
)
from registry.events.base import EventModel
from registry.events.credentials import (
    CredentialAdded,
    CredentialChecked,
    CredentialDeactivated,
    CredentialPrepared,
    CredentialReactivated,
    CredentialRemoved,
    CredentialReplaced,
    CredentialSecretsDestroyed,
    CredentialUpdated,
    CredentialVersionKept,
    CredentialVersionRetired,
)
from registry.events.exchanges import ExchangeAdded, ExchangeRemoved, ExchangeUpdated
from registry.events.keys import MasterKeyRotated
from registry.events.positions import PositionsLinked, PositionsUnlinked
from registry.events.registry import (
    LegacyAdopted,
    ProjectionsRebuilt,
    SchemaTakenDown,
    SessionEnded,
)
from registry.events.releases import CredentialReleased, EnvironmentFallbackUsed
from registry.events.sharing import SharingChanged, SharingGranted, SharingRevoked
from registry.events.stops import UseResumed, UseStopped
from registry.events.stored import StoredEvent
from registry.events.upcasting import upcast

EVENT_TYPES: Final[dict[str, type[EventModel]]] = {
    model.__name__: model
    for model in (
        AccountCreated,
        AccountUpdated,
        AccountRenamed,
        AccountDeactivated,
        AccountReactivated,
        AccountDeleted,
        AccountRestored,
        CredentialAdded,
        CredentialReplaced,
        CredentialUpdated,
        CredentialDeactivated,
        CredentialReactivated,
        CredentialRemoved,
        CredentialSecretsDestroyed,
        CredentialChecked,
        CredentialPrepared,
        CredentialVersionKept,
        CredentialVersionRetired,
        ExchangeAdded,
        ExchangeUpdated,
        ExchangeRemoved,
        PositionsLinked,
        PositionsUnlinked,
        ProjectionsRebuilt,
        SchemaTakenDown,
        SharingGranted,
        SharingChanged,
        SharingRevoked,
        AccessGranted,
        AccessRevoked,
        CredentialReleased,
        EnvironmentFallbackUsed,
        MasterKeyRotated,
        LegacyAdopted,
        SessionEnded,
        UseStopped,
        UseResumed,
    )
}
"""The model of each event type, by its stored name."""


def parse(event: StoredEvent) -> EventModel:
    """The typed event, from any stored schema version.

    Raises:
        SchemaTooNew: the event was written by a newer version of this program.
    """
    model = EVENT_TYPES.get(event.event_type)
    if model is None:
        raise SchemaTooNew(
            f"the log holds {event.event_type} events, which this program does not know",
            hint="Update account-registry.",
        )
    return model.model_validate(upcast(event).data)
