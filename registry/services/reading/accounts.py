"""Reads accounts and credentials, never their secrets."""

import datetime as dt
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

from projections.accounts import TABLE as ACCOUNTS
from projections.credentials import TABLE as CREDENTIALS
from projections.rows import Table
from registry.database.connection import Database, registry_errors
from registry.database.queries import load_queries, read_rows
from registry.execution.lookup import account_not_found, check_names

_QUERIES = load_queries("registry.execution")
_NOT_SHOWN: Final = {*CREDENTIALS.secret, "account_id", "exchange_id", "data_key_id"}
CREDENTIAL_COLUMNS: Final = tuple(c for c in CREDENTIALS.columns if c not in _NOT_SHOWN)
"""The shown columns of a credential, apart from the names of its account and exchange."""


def _selected(alias: str, table: Table, columns: Iterable[str]) -> bytes:
    """The columns as SQL; moments get the time zone that the tables leave out."""
    return ", ".join(
        f"{alias}.{c} AT TIME ZONE 'UTC' AS {c}" if c in table.moments else f"{alias}.{c}"
        for c in columns
    ).encode()


_ACCOUNTS: Final = _QUERIES["accounts"].replace(
    b"{account}", _selected("a", ACCOUNTS, ACCOUNTS.columns)
)
_CREDENTIALS: Final = _QUERIES["credentials"].replace(
    b"{credential}", _selected("c", CREDENTIALS, CREDENTIAL_COLUMNS)
)

Record = dict[str, Any]
"""A row for people: column -> value."""


def list_accounts(database: Database, exchange: str | None = None) -> list[Record]:
    """All accounts, or those that have a credential of an exchange, by name.

    Raises:
        ExchangeNotFound: no exchange has this name.
    """
    with database.connection() as connection, registry_errors(connection):
        check_names(connection, None, exchange)
        return read_rows(connection, _ACCOUNTS, {"only": None, "exchange": exchange})


def fitting(
    accounts: Iterable[Record], *, active: bool | None = None, name: str | None = None
) -> list[Record]:
    """Those that are active, or are not, and whose name fits a pattern such as grid_*."""
    return [
        account
        for account in accounts
        if active in (None, account["is_active"])
        and (name is None or fnmatchcase(account["account_name"], name))
    ]


def only(records: Iterable[Record], **wanted: Any) -> list[Record]:
    """Those with these values; None stands for any value."""
    asked = {name: value for name, value in wanted.items() if value is not None}
    return [r for r in records if all(r[name] == value for name, value in asked.items())]


def show_account(database: Database, name: str) -> Record:
    """An account with its credentials.

    Raises:
        AccountNotFound: no account has this name.
    """
    with database.connection() as connection, registry_errors(connection):
        found = read_rows(connection, _ACCOUNTS, {"only": name, "exchange": None})
        if not found:
            raise account_not_found(connection, name)
        credentials = read_rows(connection, _CREDENTIALS, {"account_name": name, "exchange": None})
        return {**found[0], "credentials": credentials}


def list_credentials(
    database: Database,
    account: str | None = None,
    exchange: str | None = None,
    *,
    due_until: dt.datetime | None = None,
) -> list[Record]:
    """Credentials without their secrets, of one account or exchange, or all.

    Under same_key_in each names the other credentials that hold a key of it, in any account, and
    under used_before the versions that held one and gave it up.
    With `due_until`, only those in use that expire by then (or have), the first to expire first.

    Raises:
        AccountNotFound: no account has this name.
        ExchangeNotFound: no exchange has this name.
    """
    with database.connection() as connection, registry_errors(connection):
        check_names(connection, account, exchange)
        found = read_rows(connection, _CREDENTIALS, {"account_name": account, "exchange": exchange})
        from registry.services.reading import keys_in_use as keys

        elsewhere = keys.held_elsewhere(keys.keys_in_common(connection, account, exchange))
        again = keys.held_before(keys.keys_used_again(connection, account, exchange))
    for row in found:
        row["same_key_in"] = elsewhere.get(row["id"], [])
        row["used_before"] = again.get(row["id"], [])
    if due_until is None:
        return found
    used = [row for row in found if row["is_active"] and row["account_is_active"]]
    due = [row for row in used if row["expires_at"] and row["expires_at"] <= due_until]
    return sorted(due, key=lambda row: row["expires_at"])
