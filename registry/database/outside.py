"""Who holds what for exchanges that the account's list does not allow: it is refused."""

from collections.abc import Sequence
from typing import Final

from registry.database.connection import Connection
from registry.database.migration_files import Migration
from registry.database.queries import load_queries

_QUERIES = load_queries("registry.database", "outside.sql")
_RULE: Final = 15
"""The migration that puts the lists in force."""


def outside_lists(connection: Connection) -> list[str]:
    """One sentence for each account and exchange; it says what is refused."""
    return [
        f"{account} may not use {exchange}, which its allowed_exchanges do not name: {what}"
        for account, exchange, what in connection.execute(_QUERIES["outside"])
    ]


def stopped_by(applied: Sequence[Migration], connection: Connection) -> list[str]:
    """The same, if it came into force with these migrations."""
    in_force_now = any(migration.number == _RULE for migration in applied)
    return outside_lists(connection) if in_force_now else []
