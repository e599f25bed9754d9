"""The shares that an account is part of, for the commands that must look at them."""

import uuid
from collections.abc import Iterable
from typing import Any

import psycopg

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.events.stored import Stream
from registry.log.append import NewEvent
from registry.rules.sharing import Share

_QUERIES = load_queries("registry.services.changes", "sharing.sql")


def send_shares(connection: Connection, account_name: str) -> psycopg.Cursor[Any]:
    """Asks for the shares of an account; `shares_of` reads the answer."""
    return connection.execute(_QUERIES["shares_of_account"], {"account_name": account_name})


def shares_of(cursor: psycopg.Cursor[Any]) -> list[Share]:
    """The shares, by borrower and exchange."""
    return [
        Share(
            id=row[0],
            borrower_id=row[1],
            borrower=row[2],
            borrower_version=row[3],
            lender_id=row[4],
            lender=row[5],
            exchange_id=row[6],
            exchange=row[7],
            sharing_type=row[8],
        )
        for row in cursor.fetchall()
    ]


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
