"""Events of an account's credentials. They belong to the stream of the account."""

import datetime as dt
import uuid
from typing import Annotated

from pydantic import Field

from registry.events.base import COUNTS_EVENTS, EventModel, Index, Number, Origin
from registry.events.permissions import Permission


class CredentialEvent(EventModel):
    """What every credential event says: which credential, and in which slot it is."""

    credential_id: uuid.UUID
    exchange: str
    exchange_id: Number
    subaccount_index: Index | None
    permission: Permission


class SealedVersion(CredentialEvent):
    """A version of a credential: its fields as tokens under a data key of its own.

    `fingerprints` are keyed digests of the values: equal values of the same exchange and
    field have equal fingerprints, and nobody without the master key can test a guess.
    """

    version: Annotated[int, Field(gt=0, json_schema_extra=COUNTS_EVENTS)]
    data_key_id: uuid.UUID
    tokens: dict[str, str]
    fingerprints: dict[str, str]


class DescribedCredential(EventModel):
    """What a credential has beside its secrets; an event that lacks one says nothing of it."""

    label: str | None = None
    expires_at: dt.datetime | None = None
    ip_allow_list: list[str] | None = None
    exchange_account_id: str | None = None


# The stored fields stand in the order of the bases, the last one first.


class CredentialAdded(DescribedCredential, SealedVersion):
    """An empty slot received a credential.

    `created_at` and `last_used` are given where a removed credential comes back, or where
    one is adopted that is older than the log (`origin`); the latter may be inactive.
    """

    created_at: dt.datetime | None = None
    last_used: dt.datetime | None = None
    updated_at: dt.datetime | None = None
    is_active: bool = True
    origin: Origin | None = None


class CredentialReplaced(DescribedCredential, SealedVersion):
    """The credential has new secrets."""


class CredentialUpdated(DescribedCredential, CredentialEvent):
    """Details beside the secrets changed."""


class CredentialDeactivated(CredentialEvent):
    """The credential may not be used until it is reactivated."""


class CredentialReactivated(CredentialEvent):
    """The credential may be used again."""


class CredentialRemoved(CredentialEvent):
    """The slot is empty; the removed version stays in the history."""


class CredentialSecretsDestroyed(CredentialEvent):
    """The data keys of these versions were deleted: their tokens can never be opened again."""

    versions: list[int]
    data_key_ids: list[uuid.UUID]
