"""The information about an account that a bot with access may read."""

import uuid
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import class_row

from registry.database.connection import Database, registry_errors
from registry.database.patience import patiently
from registry.database.queries import load_queries
from registry.services.releases.resolution import Resolution, Wish, tell_causes

_QUERIES: Final = load_queries("registry.services.releases", "releases.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInfo:
    """The answer of the database: the account, or only the outcome that says why not."""

    outcome: str
    account_id: uuid.UUID
    account_name: str
    description: str | None
    wallet_address: str | None
    is_active: bool
    metadata: str | None
    """As JSON text."""
    exchanges: list[str]
    """The exchanges for which it has an active credential of its own."""


def account_info(
    database: Database, account: str | uuid.UUID, *, inactive_too: bool = False
) -> AccountInfo:
    """The information about the account of this name, or of this id.

    Raises:
        AccountNotFound, AccountInactive: it does not exist, or it is inactive.
        NotPermitted: the logged-in role has no access to it.
    """
    by_id = isinstance(account, uuid.UUID)
    parameters = {"account": None if by_id else account, "account_id": account if by_id else None}

    def read() -> AccountInfo:
        with (
            database.connection() as connection,
            registry_errors(connection),
            connection.cursor(row_factory=class_row(AccountInfo)) as cursor,
        ):
            found = cursor.execute(_QUERIES["account_info"], parameters).fetchone()
            outcome = "account_not_found" if found is None else found.outcome
            if found is not None and outcome == "ok":
                if found.is_active or inactive_too:
                    return found
                outcome = "account_inactive"
            refused: dict[str, Any] = {"outcome": outcome}
            tell_causes(connection, [refused])
        raise Resolution(account=str(account), exchange=None, wish=Wish(), **refused).error()

    return patiently(read)
