"""The table `accounts`."""

from typing import Annotated, Any, Final, TypedDict

from projections.columns import OWN_TIME, Column, is_clean, is_object
from projections.rows import Delete, RowChange, Table
from registry.events.stored import StoredEvent


class AccountRow(TypedDict):
    """A row of `accounts`."""

    id: Annotated[str, Column("uuid", original=True)]
    account_name: Annotated[str, Column("varchar(255)", is_clean, original=True)]
    wallet_address: Annotated[str | None, Column("varchar(255)", detail=True)]
    description: Annotated[str | None, Column("text", detail=True)]
    is_active: Annotated[bool, Column("boolean", default=True)]
    created_at: Annotated[str, Column("timestamp", default=OWN_TIME)]
    updated_at: Annotated[str, Column("timestamp", default=OWN_TIME)]
    metadata: Annotated[dict[str, Any], Column("jsonb", is_object, default={}, detail=True)]


TABLE: Final = Table.of("accounts", AccountRow, owner="id", unique=("account_name",))


def created(event: StoredEvent) -> RowChange:
    """AccountCreated, and AccountRestored under the account's former id."""
    return TABLE.insert(event, event.stream_id)


def updated(event: StoredEvent) -> RowChange:
    """AccountUpdated changes only the details that the event carries."""
    return TABLE.patch(event, event.stream_id)


def renamed(event: StoredEvent) -> RowChange:
    """AccountRenamed."""
    return TABLE.patch(event, event.stream_id, account_name=event.data["account_name"])


def deactivated(event: StoredEvent) -> RowChange:
    """AccountDeactivated."""
    return TABLE.patch(event, event.stream_id, is_active=False)


def reactivated(event: StoredEvent) -> RowChange:
    """AccountReactivated."""
    return TABLE.patch(event, event.stream_id, is_active=True)


def deleted(event: StoredEvent) -> RowChange:
    """AccountDeleted: earlier events have removed the account's other rows."""
    return Delete(TABLE, event.stream_id)


HANDLERS: Final = {
    "AccountCreated": created,
    "AccountUpdated": updated,
    "AccountRenamed": renamed,
    "AccountDeactivated": deactivated,
    "AccountReactivated": reactivated,
    "AccountDeleted": deleted,
    "AccountRestored": created,
}
