"""What is only read: accounts and credentials, never their secrets."""

import datetime as dt
from typing import Any

from registry.database.connection import Database, registry_errors
from registry.database.queries import load_queries, read_rows
from registry.execution.lookup import (
    account_not_found,
    check_names,
)

_QUERIES = load_queries("registry.execution")

Record = dict[str, Any]
"""A row for people: column -> value."""


def list_accounts(database: Database) -> list[Record]:
    """All accounts, by name."""
    with database.connection() as connection, registry_errors(connection):
        return read_rows(connection, _QUERIES["accounts"], {"only": None})


def show_account(database: Database, name: str) -> Record:
    """An account with its credentials.

    Raises:
        AccountNotFound: no account has this name.
    """
    with database.connection() as connection, registry_errors(connection):
        found = read_rows(connection, _QUERIES["accounts"], {"only": name})
        if not found:
            raise account_not_found(connection, name)
        credentials = read_rows(
            connection, _QUERIES["credentials"], {"account_name": name, "exchange": None}
        )
        return {**found[0], "credentials": credentials}


def list_credentials(
    database: Database,
    account: str | None = None,
    exchange: str | None = None,
    *,
    due_until: dt.datetime | None = None,
) -> list[Record]:
    """Credentials without their secrets, of one account or exchange, or all.

    With `due_until`, only those that expire by then (or have), the first to expire first.

    Raises:
        AccountNotFound: no account has this name.
        ExchangeNotFound: no exchange has this name.
    """
    with database.connection() as connection, registry_errors(connection):
        check_names(connection, account, exchange)
        found = read_rows(
            connection, _QUERIES["credentials"], {"account_name": account, "exchange": exchange}
        )
    if due_until is None:
        return found
    limit = due_until.astimezone(dt.UTC).replace(tzinfo=None)  # as the column has it
    due = [one for one in found if one["expires_at"] is not None and one["expires_at"] <= limit]
    return sorted(due, key=lambda one: one["expires_at"])
