"""Events of access: which login role of the database may use an account."""

import uuid

from registry.events.base import EventModel


class AccessEvent(EventModel):
    """What every access event says."""

    access_id: uuid.UUID
    role: str


class AccessGranted(AccessEvent):
    """The role may request the account's credentials and work on its positions."""


class AccessRevoked(AccessEvent):
    """The role may not do so any more."""
