"""The table `account_access`."""

from typing import Annotated, Final, TypedDict

from projections.columns import OWN_TIME, Column
from projections.rows import Delete, RowChange, Table
from registry.events.stored import StoredEvent


class AccessRow(TypedDict):
    """A row of `account_access`."""

    id: Annotated[str, Column("uuid")]
    account_id: Annotated[str, Column("uuid", account=True)]
    role_name: Annotated[str, Column("varchar(63)", bool)]
    granted_at: Annotated[str, Column("timestamp", default=OWN_TIME)]


TABLE: Final = Table.of("account_access", AccessRow, unique=("account_id", "role_name"))


def granted(event: StoredEvent) -> RowChange:
    """AccessGranted."""
    data = event.data
    return TABLE.insert(
        event, data["access_id"], account_id=event.stream_id, role_name=data["role"]
    )


def revoked(event: StoredEvent) -> RowChange:
    """AccessRevoked."""
    return Delete(TABLE, event.data["access_id"])


HANDLERS: Final = {"AccessGranted": granted, "AccessRevoked": revoked}
