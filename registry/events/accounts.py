"""Events of an account itself."""

import datetime as dt
from typing import Any

from pydantic import Field

from registry.events.base import EventModel, Origin


class NamedAccount(EventModel):
    """Base of the events that carry the account's name."""

    account_name: str


class DescribedAccount(EventModel):
    """The details of an account; a detail that is absent from an event is unchanged."""

    wallet_address: str | None = None
    description: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


# Fields are stored in the order of the bases, those of the last base first.


class AccountCreated(DescribedAccount, NamedAccount):
    """An account was created.

    An adopted account is older than the log: it has an `origin`, and its state at adoption.
    """

    is_active: bool = True
    created_at: dt.datetime | None = None
    updated_at: dt.datetime | None = None
    origin: Origin | None = None


class AccountUpdated(DescribedAccount):
    """Some of the account's details changed."""


class AccountRenamed(NamedAccount):
    """The account has another name; its id and everything that belongs to it stay the same."""

    previous_name: str


class AccountDeactivated(EventModel):
    """No credential of the account may be used until it is reactivated."""


class AccountReactivated(EventModel):
    """The account may be used again."""


class AccountDeleted(NamedAccount):
    """The account is gone from the tables; its history stays."""


class AccountRestored(DescribedAccount, NamedAccount):
    """A deleted account is back under its id; other events restore its credentials and shares."""

    is_active: bool
    created_at: dt.datetime
