"""Who holds what for exchanges that the account's list does not allow: it is refused."""

import uuid
from collections.abc import Sequence
from typing import Any, Final

import psycopg

from registry.database.connection import Connection, registry_errors
from registry.database.migration_files import Migration
from registry.database.migrator import PROJECTIONS, Migrator
from registry.database.queries import load_queries

_QUERIES = load_queries("registry.database", "outside.sql")
_RULE: Final = 15
"""The migration that puts the lists in force."""


def outside_lists(connection: Connection, accounts: Sequence[uuid.UUID] | None = None) -> list[str]:
    """One sentence for each account and exchange, of these accounts or of all."""
    return sentences(send_outside(connection, accounts))


def send_outside(
    connection: Connection, accounts: Sequence[uuid.UUID] | None
) -> psycopg.Cursor[Any]:
    """Sends the query for `sentences`."""
    return connection.execute(_QUERIES["outside"], {"accounts": accounts})


def sentences(answer: psycopg.Cursor[Any]) -> list[str]:
    """What is refused, in words."""
    return [sentence(*row) for row in answer]


def sentence(account: str, exchange: str, what: str) -> str:
    """The same of one row of the answer."""
    return f"{account} may not use {exchange}, which its allowed_exchanges do not name: {what}"


def stopped_by(applied: Sequence[Migration], connection: Connection) -> list[str]:
    """The same, if it came into force with these migrations."""
    in_force_now = any(migration.number == _RULE for migration in applied)
    return outside_lists(connection) if in_force_now else []


def will_be_stopped(connection: Connection) -> list[str]:
    """What a rule of a missing migration would refuse, in words; changes nothing.

    The migrations are tried in a transaction that is rolled back, so that the rule itself decides.
    """
    with registry_errors(connection):
        migrator = Migrator(connection)
        if migrator.has_applied(_RULE) or not migrator.has_applied(PROJECTIONS):
            return []
        with connection.transaction(force_rollback=True):
            return stopped_by(migrator.up(), connection)
