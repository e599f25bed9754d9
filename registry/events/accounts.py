"""Events of an account itself."""

import datetime as dt
from typing import Any

from pydantic import Field

from registry.events.base import EventModel, Origin


class AccountCreated(EventModel):
    """An account came to be.

    One that is older than the log says so (`origin`), and how it was when it was adopted.
    """

    account_name: str
    wallet_address: str | None = None
    description: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    is_active: bool = True
    created_at: dt.datetime | None = None
    updated_at: dt.datetime | None = None
    origin: Origin | None = None


class AccountUpdated(EventModel):
    """Some of the account's details changed; a field that is absent did not."""

    wallet_address: str | None = None
    description: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class AccountRenamed(EventModel):
    """The account has another name; its id and all that belongs to it stay."""

    account_name: str
    previous_name: str


class AccountDeactivated(EventModel):
    """No credential of the account may be used until it is reactivated."""


class AccountReactivated(EventModel):
    """The account may be used again."""


class AccountDeleted(EventModel):
    """The account is gone from the tables; its history stays."""

    account_name: str


class AccountRestored(EventModel):
    """A deleted account is back under its id; what it held comes back by events of its own."""

    account_name: str
    wallet_address: str | None = None
    description: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    is_active: bool
    created_at: dt.datetime
