"""Events of an account itself."""

import datetime as dt
from typing import Any

from pydantic import Field

from registry.events.base import EventModel, Origin


class NamedAccount(EventModel):
    """What the events say by which an account has a name."""

    account_name: str


class DescribedAccount(EventModel):
    """What an account has beside its name; an event that lacks one says nothing of it."""

    wallet_address: str | None = None
    description: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


# The stored fields stand in the order of the bases, the last one first.


class AccountCreated(DescribedAccount, NamedAccount):
    """An account came to be.

    One that is older than the log says so (`origin`), and how it was when it was adopted.
    """

    is_active: bool = True
    created_at: dt.datetime | None = None
    updated_at: dt.datetime | None = None
    origin: Origin | None = None


class AccountUpdated(DescribedAccount):
    """Some of the account's details changed."""


class AccountRenamed(NamedAccount):
    """The account has another name; its id and all that belongs to it stay."""

    previous_name: str


class AccountDeactivated(EventModel):
    """No credential of the account may be used until it is reactivated."""


class AccountReactivated(EventModel):
    """The account may be used again."""


class AccountDeleted(NamedAccount):
    """The account is gone from the tables; its history stays."""


class AccountRestored(DescribedAccount, NamedAccount):
    """A deleted account is back under its id; what it held comes back by events of its own."""

    is_active: bool
    created_at: dt.datetime
