"""Events of access: a login role of the database may use an account, or no longer may."""

import uuid

from registry.events.base import EventModel


class AccessEvent(EventModel):
    """The fields of every access event."""

    access_id: uuid.UUID
    role: str


class AccessGranted(AccessEvent):
    """The role may request the account's credentials and work on its positions."""


class AccessRevoked(AccessEvent):
    """The role may no longer do so."""
