"""The table `account_access`."""

from typing import Final, TypedDict

from projections.rows import Delete, Insert, RowChange, Table
from registry.events.stored import StoredEvent

TABLE: Final = Table(
    "account_access",
    {
        "id": "uuid",
        "account_id": "uuid",
        "role_name": "varchar",
        "granted_at": "timestamp",
    },
    unique=("account_id", "role_name"),
)


class AccessRow(TypedDict):
    """A row of `account_access`."""

    id: str
    account_id: str
    role_name: str
    granted_at: str


def granted(event: StoredEvent) -> RowChange:
    """AccessGranted."""
    row: AccessRow = {
        "id": event.data["access_id"],
        "account_id": event.stream_id,
        "role_name": event.data["role"],
        "granted_at": event.occurred_at,
    }
    return Insert(TABLE, event.data["access_id"], dict(row))


def revoked(event: StoredEvent) -> RowChange:
    """AccessRevoked."""
    return Delete(TABLE, event.data["access_id"])


HANDLERS: Final = {"AccessGranted": granted, "AccessRevoked": revoked}
