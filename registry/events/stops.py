"""Events of stops: what may not be released until somebody resumes it."""

import uuid
from typing import ClassVar, Literal

from registry.events.base import EventModel, Index, Number
from registry.events.permissions import Permission
from registry.events.stored import StreamType

Scope = Literal["all", "exchange", "lender", "account", "credential"]
"""What a stop includes: everything, or what has to do with one of these."""


class StopEvent(EventModel):
    """Base of the events in the stream of one stop, with what was stopped."""

    stream_type: ClassVar[StreamType] = "stop"

    scope: Scope
    account_id: uuid.UUID | None = None
    """The account, the lender, or the owner of the credential; None if the scope has none."""
    account: str | None = None
    exchange_id: Number | None = None
    exchange: str | None = None
    subaccount_index: Index | None = None
    permission: Permission | None = None
    """As the subaccount: if there is none, each that the account has or gets is included."""

    @property
    def related_account_id(self) -> uuid.UUID | None:
        """See `EventModel`."""
        return self.account_id


class UseStopped(StopEvent):
    """Nothing that the scope includes is released from now on, or taken from an environment."""


class UseResumed(StopEvent):
    """This stop is over; what other stops include stays stopped."""
