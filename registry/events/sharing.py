"""Events of sharing. They belong to the stream of the borrower."""

import datetime as dt
import uuid

from registry.events.base import EventModel, Number, Origin
from registry.events.permissions import SharingType


class SharingEvent(EventModel):
    """The fields of every sharing event: the share, its lender and its exchange."""

    share_id: uuid.UUID
    exchange: str
    exchange_id: Number
    lender_id: uuid.UUID
    lender: str
    sharing_type: SharingType

    @property
    def related_account_id(self) -> uuid.UUID:
        """The id of the lender, whose history shows the share too."""
        return self.lender_id


class SharingGranted(SharingEvent):
    """The borrower may use the lender's credential; `origin` as in `AccountCreated`."""

    created_at: dt.datetime | None = None
    updated_at: dt.datetime | None = None
    origin: Origin | None = None


class SharingChanged(SharingEvent):
    """The sharing type changed."""


class SharingRevoked(SharingEvent):
    """The borrower may no longer use the lender's credential."""
