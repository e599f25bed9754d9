"""From the log's text to events and back."""

from typing import Final

from registry.errors import SchemaTooNew
from registry.events.account import (
    AccountCreated,
    AccountDeactivated,
    AccountDeleted,
    AccountReactivated,
    AccountRenamed,
    AccountUpdated,
)
from registry.events.base import EventModel
from registry.events.credential import (
    CredentialAdded,
    CredentialDeactivated,
    CredentialReactivated,
    CredentialRemoved,
    CredentialReplaced,
    CredentialSecretsDestroyed,
    CredentialUpdated,
)
from registry.events.exchange import ExchangeAdded
from registry.events.keys import MasterKeyRotated
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
        CredentialAdded,
        CredentialReplaced,
        CredentialUpdated,
        CredentialDeactivated,
        CredentialReactivated,
        CredentialRemoved,
        CredentialSecretsDestroyed,
        ExchangeAdded,
        MasterKeyRotated,
    )
}
"""Every kind of event by the name under which it is stored."""


def parse(event: StoredEvent) -> EventModel:
    """The typed event, whatever version of it was stored.

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
