"""Reads the versions of credentials, and who may still hold one; never their secrets."""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from registry.database.connection import Connection, Database, registry_errors
from registry.database.queries import load_queries, one_row, read_rows
from registry.execution.lookup import check_names
from registry.rules.account_state import Slot

_QUERIES = load_queries("registry.services.reading", "versions.sql")

State = Literal["pending", "current", "grace", "retired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a credential that an account has."""

    account_name: str
    exchange: str
    subaccount_index: int | None
    permission: str
    version: int
    state: State
    since: dt.datetime
    """The time since which it is in this state."""
    usable_until: dt.datetime | None
    """The end of its grace, in which it can still be asked for by its number."""
    expires_at: dt.datetime | None
    """When the exchange ends it, of a version that is current or pending."""
    is_destroyed: bool
    checked: Mapping[str, Any] | None
    """What the exchange said of it last: outcome, differences, at."""
    credential_id: uuid.UUID


class VersionOfEvent(NamedTuple):
    """The version that an event is about."""

    slot: Slot
    version: int
    state: State
    """Its state now."""
    current_version: int
    """The version in use now; 0 if the credential is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Somebody who may still hold a version that is not the current one.

    An account, login and purpose received it, and received no other version since.
    """

    account_name: str
    """The account whose credential it is, by its name now, or else its name then."""
    exchange: str
    subaccount_index: int | None
    permission: str
    version: int
    state: Literal["pending", "grace", "retired", "destroyed", "removed"]
    """The version's state; `removed` if the credential is gone."""
    usable_until: dt.datetime | None
    held_by: str
    """The account that received it: this account, or a borrower."""
    login: str
    """The database login that received it."""
    purpose: str
    """The purpose that the program named."""
    host: str
    """The host of the last release, by the program's own account."""
    since: dt.datetime
    """When it was received first."""
    last_received: dt.datetime
    credential_id: uuid.UUID


def list_versions(
    database: Database, account: str | None = None, exchange: str | None = None
) -> list[Version]:
    """The versions of the credentials of an account or an exchange, or of all, newest first.

    Raises:
        AccountNotFound: no account has this name.
        ExchangeNotFound: no exchange has this name.
    """
    return [Version(**row) for row in _rows(database, "versions", account, exchange)]


def list_held(
    database: Database, account: str | None = None, exchange: str | None = None
) -> list[Held]:
    """Who may still hold a former version: of an account or an exchange, or of all.

    Raises:
        AccountNotFound: no account has this name.
        ExchangeNotFound: no exchange has this name.
    """
    with database.connection() as connection, registry_errors(connection):
        check_names(connection, account, exchange)
        return held_in(connection, account, exchange)


def held_in(
    connection: Connection, account: str | None = None, exchange: str | None = None
) -> list[Held]:
    """The same of a connection, for names that there are."""
    parameters = {"account_name": account, "exchange": exchange}
    return [Held(**row) for row in read_rows(connection, _QUERIES["held"], parameters)]


def details_of_version(
    database: Database, credential_id: uuid.UUID, version: int
) -> Mapping[str, Any]:
    """The details that a version came with, as its event has them."""
    wanted = {"credential_id": credential_id, "version": version}
    with database.connection() as connection, registry_errors(connection):
        (data,) = one_row(connection.execute(_QUERIES["pending_details"], wanted))
    return dict(data)


def version_of_event(database: Database, position: int) -> VersionOfEvent:
    """The version that an event is about."""
    with database.connection() as connection, registry_errors(connection):
        (row,) = read_rows(connection, _QUERIES["version_of_event"], {"position": position})
    state, version, current = (row.pop(name) for name in ("state", "version", "current_version"))
    return VersionOfEvent(Slot(**row), version, state, current)


def _rows(
    database: Database, query: str, account: str | None, exchange: str | None
) -> list[dict[str, Any]]:
    with database.connection() as connection, registry_errors(connection):
        check_names(connection, account, exchange)
        parameters = {"account_name": account, "exchange": exchange}
        return read_rows(connection, _QUERIES[query], parameters)
