"""The shares that an account is part of, for the commands that must look at them."""

import uuid
from collections.abc import Iterable

import psycopg
from psycopg.rows import class_row

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.events.stored import Stream
from registry.log.append import NewEvent
from registry.rules.sharing import Share

_QUERIES = load_queries("registry.services.changes", "sharing.sql")


def send_shares(connection: Connection, account_name: str) -> psycopg.Cursor[Share]:
    """Asks for the shares of an account, by borrower and exchange."""
    cursor = connection.cursor(row_factory=class_row(Share))
    return cursor.execute(_QUERIES["shares_of_account"], {"account_name": account_name})


def revocations(shares: Iterable[Share]) -> list[NewEvent]:
    """The events that end shares, each in the stream of its borrower."""
    versions: dict[uuid.UUID, int] = {}
    events = []
    for share in shares:
        version = versions.get(share.borrower_id, share.borrower_version) + 1
        versions[share.borrower_id] = version
        stream = Stream("account", share.borrower_id)
        events.append(NewEvent(stream, version, share.revoked(), share.lender_id))
    return events
