"""Events of an account's credentials. They belong to the stream of the account."""

import datetime as dt
import uuid
from typing import Annotated

from pydantic import Field

from registry.events.base import COUNTS_EVENTS, EventModel, Index, Number, Origin
from registry.events.permissions import Permission


class CredentialEvent(EventModel):
    """The fields of every credential event: the credential's id and its slot."""

    credential_id: uuid.UUID
    exchange: str
    exchange_id: Number
    subaccount_index: Index | None
    permission: Permission


class SealedVersion(CredentialEvent):
    """A version of a credential: its fields as tokens under a data key of its own.

    `fingerprints` are keyed digests of the values: equal values of the same exchange and
    field have equal fingerprints. A guess cannot be tested without the master key.
    """

    version: Annotated[int, Field(gt=0, json_schema_extra=COUNTS_EVENTS)]
    data_key_id: uuid.UUID
    tokens: dict[str, str]
    fingerprints: dict[str, str]


class DescribedCredential(EventModel):
    """The details of a credential; a detail that is absent from an event is unchanged."""

    label: str | None = None
    expires_at: dt.datetime | None = None
    ip_allow_list: list[str] | None = None
    exchange_account_id: str | None = None


# Fields are stored in the order of the bases, those of the last base first.


class CredentialAdded(DescribedCredential, SealedVersion):
    """An empty slot received a credential.

    A removed credential that comes back has `created_at` and `last_used`. So has an adopted
    credential, which is older than the log (`origin`) and may be inactive.
    """

    created_at: dt.datetime | None = None
    last_used: dt.datetime | None = None
    updated_at: dt.datetime | None = None
    is_active: bool = True
    origin: Origin | None = None


class CredentialReplaced(DescribedCredential, SealedVersion):
    """The credential has new secrets."""


class CredentialUpdated(DescribedCredential, CredentialEvent):
    """Some of the credential's details changed."""


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
