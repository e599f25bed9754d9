"""Events of an account's releases, in a stream of their own.

Functions of the database append them, in the transaction that decides; `recorded_by` is the
login role. Actor, host and purpose are claims of the client. `client_address` is the address
that the server saw; it is null for a connection on the same machine.
"""

import uuid
from typing import ClassVar, Literal

from registry.events.base import EventModel, Index, Number
from registry.events.permissions import Permission, SharingType
from registry.events.stored import StreamType


class ReleaseEvent(EventModel):
    """The fields of every release event."""

    stream_type: ClassVar[StreamType] = "release"

    account: str
    exchange: str
    exchange_id: Number
    purpose: str
    host: str
    client_address: str | None


class CredentialReleased(ReleaseEvent):
    """A version of a credential was handed out, for the account of the stream."""

    credential_id: uuid.UUID
    credential_version: Number
    subaccount_index: Index | None
    permission: Permission
    source: Literal["own", "shared"]
    access: SharingType
    """The rights of the caller to the credential."""
    lender_id: uuid.UUID | None
    lender: str | None
    share_id: uuid.UUID | None
    sharing_type: SharingType | None


class EnvironmentFallbackUsed(ReleaseEvent):
    """A bot used credentials from its environment, since the registry had none."""

    origin: str
    """The variables or the file that the credentials came from."""
