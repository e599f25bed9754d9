"""The table `accounts`."""

from typing import Any, Final, TypedDict, cast

from projections.rows import Delete, Insert, Patch, Row, RowChange, Table
from registry.events.stored import StoredEvent, database_time, told_time

TABLE: Final = Table(
    "accounts",
    {
        "id": "uuid",
        "account_name": "varchar",
        "wallet_address": "varchar",
        "description": "text",
        "is_active": "boolean",
        "created_at": "timestamp",
        "updated_at": "timestamp",
        "metadata": "jsonb",
    },
    owner="id",
    unique=("account_name",),
)

DETAILS: Final = ("wallet_address", "description", "metadata")
"""What an account has beside its name."""


class AccountRow(TypedDict):
    """A row of `accounts`."""

    id: str
    account_name: str
    wallet_address: str | None
    description: str | None
    is_active: bool
    created_at: str
    updated_at: str
    metadata: dict[str, Any]


def created(event: StoredEvent) -> RowChange:
    """AccountCreated."""
    row: AccountRow = {
        "id": event.stream_id,
        "account_name": event.data["account_name"],
        "wallet_address": event.data.get("wallet_address"),
        "description": event.data.get("description"),
        "is_active": event.data.get("is_active", True),
        "created_at": told_time(event, "created_at"),
        "updated_at": told_time(event, "updated_at"),
        "metadata": event.data.get("metadata", {}),
    }
    return Insert(TABLE, event.stream_id, cast("Row", row))


def restored(event: StoredEvent) -> RowChange:
    """AccountRestored: the account as it was, under the id that it had."""
    data = event.data
    row: AccountRow = {
        "id": event.stream_id,
        "account_name": data["account_name"],
        "wallet_address": data.get("wallet_address"),
        "description": data.get("description"),
        "is_active": data["is_active"],
        "created_at": database_time(data["created_at"]),
        "updated_at": event.occurred_at,
        "metadata": data.get("metadata", {}),
    }
    return Insert(TABLE, event.stream_id, cast("Row", row))


def updated(event: StoredEvent) -> RowChange:
    """AccountUpdated: those of the details that the event has, and no others."""
    values: Row = {name: event.data[name] for name in DETAILS if name in event.data}
    values["updated_at"] = event.occurred_at
    return Patch(TABLE, event.stream_id, values)


def renamed(event: StoredEvent) -> RowChange:
    """AccountRenamed."""
    values = {"account_name": event.data["account_name"], "updated_at": event.occurred_at}
    return Patch(TABLE, event.stream_id, values)


def deactivated(event: StoredEvent) -> RowChange:
    """AccountDeactivated."""
    values = {"is_active": False, "updated_at": event.occurred_at}
    return Patch(TABLE, event.stream_id, values)


def reactivated(event: StoredEvent) -> RowChange:
    """AccountReactivated."""
    values = {"is_active": True, "updated_at": event.occurred_at}
    return Patch(TABLE, event.stream_id, values)


def deleted(event: StoredEvent) -> RowChange:
    """AccountDeleted: what belonged to the account was removed by events before it."""
    return Delete(TABLE, event.stream_id)


HANDLERS: Final = {
    "AccountCreated": created,
    "AccountUpdated": updated,
    "AccountRenamed": renamed,
    "AccountDeactivated": deactivated,
    "AccountReactivated": reactivated,
    "AccountDeleted": deleted,
    "AccountRestored": restored,
}
