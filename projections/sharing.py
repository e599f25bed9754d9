"""The table `account_exchange_sharing`."""

from typing import Annotated, Final, TypedDict, get_args

from projections.columns import OWN_TIME, Column
from projections.rows import Delete, RowChange, Table
from registry.events.permissions import SharingType
from registry.events.stored import StoredEvent


def _is_sharing_type(value: str) -> bool:
    return value in get_args(SharingType)


class SharingRow(TypedDict):
    """A row of `account_exchange_sharing`."""

    id: Annotated[str, Column("uuid", original=True)]
    primary_account_id: Annotated[str, Column("uuid", original=True, account=True)]
    shared_account_id: Annotated[str, Column("uuid", original=True, account=True)]
    exchange_id: Annotated[int, Column("integer", original=True)]
    sharing_type: Annotated[str, Column("varchar(50)", _is_sharing_type)]
    created_at: Annotated[str, Column("timestamp", default=OWN_TIME)]
    updated_at: Annotated[str, Column("timestamp", default=OWN_TIME)]


TABLE: Final = Table.of(
    "account_exchange_sharing",
    SharingRow,
    owner="primary_account_id",
    unique=("primary_account_id", "exchange_id"),
)


def granted(event: StoredEvent) -> RowChange:
    """SharingGranted: the stream is that of the borrower."""
    return TABLE.insert(
        event,
        event.data["share_id"],
        primary_account_id=event.stream_id,
        shared_account_id=event.data["lender_id"],
    )


def changed(event: StoredEvent) -> RowChange:
    """SharingChanged."""
    return TABLE.patch(event, event.data["share_id"], sharing_type=event.data["sharing_type"])


def revoked(event: StoredEvent) -> RowChange:
    """SharingRevoked."""
    return Delete(TABLE, event.data["share_id"])


HANDLERS: Final = {
    "SharingGranted": granted,
    "SharingChanged": changed,
    "SharingRevoked": revoked,
}
