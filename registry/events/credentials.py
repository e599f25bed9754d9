"""Events of an account's credentials. They belong to the stream of the account."""

import datetime as dt
import uuid
from typing import Annotated, Final, Literal

from pydantic import Field

from registry.events.base import COUNTS_EVENTS, EventModel, Index, Number, Origin
from registry.events.permissions import Permission

CheckResult = Literal[
    "valid",
    "wrong_key",
    "expired",
    "address_not_allowed",
    "not_permitted",
    "clock_skew",
    "rate_limited",
    "server_error",
    "html_answer",
    "no_answer",
    "unclear_answer",
]
"""What the exchange says of a key; see `registry.checking.findings.CheckOutcome`."""
DEAD: Final[tuple[CheckResult, ...]] = (
    "wrong_key",
    "expired",
    "address_not_allowed",
    "not_permitted",
)
"""The results by which the exchange refuses the key, at least from where it was asked."""
Right = Literal["read", "trade", "withdraw"]
CheckedDetail = Literal["permission", "expires_at", "ip_allow_list", "exchange_account_id"]
"""What the exchange may say otherwise than the registry."""


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


class CredentialPrepared(DescribedCredential, SealedVersion):
    """The credential's next version is stored, and not used before it replaces the current one.

    The details are those that the credential will have then.
    """


class VersionEvent(CredentialEvent):
    """The fields of an event about a version that is not the current one."""

    version: Number
    data_key_id: uuid.UUID


class CredentialVersionKept(VersionEvent):
    """A former version can still be asked for, until a moment."""

    usable_until: dt.datetime


class CredentialVersionRetired(VersionEvent):
    """A former or a pending version cannot be asked for, nor come into use, any more."""


class CredentialUpdated(DescribedCredential, CredentialEvent):
    """Some of the credential's details changed."""


class CredentialDeactivated(CredentialEvent):
    """The credential may not be used until it is reactivated."""


class CredentialReactivated(CredentialEvent):
    """The credential may be used again."""


class CredentialRemoved(CredentialEvent):
    """The slot is empty; the removed version stays in the history."""


class CredentialChecked(CredentialEvent):
    """The exchange was asked about a version of the credential.

    What the exchange did not tell is absent.
    """

    version: Number
    outcome: CheckResult
    may: list[Right] | None = None
    bound: bool | None = None
    addresses: list[str] | None = None
    expires_at: dt.datetime | None = None
    """Null if the exchange says that it never expires."""
    exchange_account_id: str | None = None
    differences: list[CheckedDetail] | None = None


class CredentialSecretsDestroyed(CredentialEvent):
    """The data keys of these versions were deleted: their tokens can never be opened again."""

    versions: list[int]
    data_key_ids: list[uuid.UUID]
