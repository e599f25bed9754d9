"""The table `account_exchange_sharing`."""

from typing import Final, TypedDict

from projections.rows import Delete, Insert, Patch, RowChange, Table
from registry.events.stored import StoredEvent, told_time

TABLE: Final = Table(
    "account_exchange_sharing",
    {
        "id": "uuid",
        "primary_account_id": "uuid",
        "shared_account_id": "uuid",
        "exchange_id": "integer",
        "sharing_type": "varchar",
        "created_at": "timestamp",
        "updated_at": "timestamp",
    },
    owner="primary_account_id",
    unique=("primary_account_id", "exchange_id"),
)


class SharingRow(TypedDict):
    """A row of `account_exchange_sharing`."""

    id: str
    primary_account_id: str
    shared_account_id: str
    exchange_id: int
    sharing_type: str
    created_at: str
    updated_at: str


def granted(event: StoredEvent) -> RowChange:
    """SharingGranted: the stream is the borrower's."""
    data = event.data
    row: SharingRow = {
        "id": data["share_id"],
        "primary_account_id": event.stream_id,
        "shared_account_id": data["lender_id"],
        "exchange_id": data["exchange_id"],
        "sharing_type": data["sharing_type"],
        "created_at": told_time(event, "created_at"),
        "updated_at": told_time(event, "updated_at"),
    }
    return Insert(TABLE, data["share_id"], dict(row))


def changed(event: StoredEvent) -> RowChange:
    """SharingChanged."""
    values = {"sharing_type": event.data["sharing_type"], "updated_at": event.occurred_at}
    return Patch(TABLE, event.data["share_id"], values)


def revoked(event: StoredEvent) -> RowChange:
    """SharingRevoked."""
    return Delete(TABLE, event.data["share_id"])


HANDLERS: Final = {
    "SharingGranted": granted,
    "SharingChanged": changed,
    "SharingRevoked": revoked,
}
