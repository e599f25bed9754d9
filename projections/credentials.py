"""The table `account_exchange_credentials`."""

from typing import Any, Final, TypedDict, cast

from projections.rows import Delete, Insert, Patch, Row, RowChange, Table
from registry.events.stored import StoredEvent, database_time, told_time

TABLE: Final = Table(
    "account_exchange_credentials",
    {
        "id": "uuid",
        "account_id": "uuid",
        "exchange_id": "integer",
        "api_key_encrypted": "text",
        "secret_key_encrypted": "text",
        "additional_credentials_encrypted": "jsonb",
        "exchange_account_id": "varchar",
        "subaccount_index": "integer",
        "is_active": "boolean",
        "last_used": "timestamp",
        "created_at": "timestamp",
        "updated_at": "timestamp",
        "permission": "varchar",
        "version": "integer",
        "data_key_id": "uuid",
        "label": "varchar",
        "expires_at": "timestamp",
        "ip_allow_list": "jsonb",
    },
    unique=("account_id", "exchange_id", "subaccount_index", "permission"),
    secret=frozenset(
        {"api_key_encrypted", "secret_key_encrypted", "additional_credentials_encrypted"}
    ),
)

OWN_COLUMNS: Final = {"api_key": "api_key_encrypted", "secret_key": "secret_key_encrypted"}
"""The fields that have a column of their own; all others share the JSON column."""

DETAILS: Final = ("label", "expires_at", "ip_allow_list", "exchange_account_id")
"""What a credential has beside its secrets."""


class CredentialRow(TypedDict):
    """A row of `account_exchange_credentials`."""

    id: str
    account_id: str
    exchange_id: int
    api_key_encrypted: str | None
    secret_key_encrypted: str | None
    additional_credentials_encrypted: dict[str, str] | None
    exchange_account_id: str | None
    subaccount_index: int | None
    is_active: bool
    last_used: str | None
    created_at: str
    updated_at: str
    permission: str
    version: int
    data_key_id: str
    label: str | None
    expires_at: str | None
    ip_allow_list: list[str] | None


def tokens_of(row: CredentialRow) -> dict[str, str]:
    """The tokens of a row by field: api_key, secret_key, then the additional fields."""
    own = {field: row[column] for field, column in OWN_COLUMNS.items()}  # type: ignore[literal-required]
    additional = row["additional_credentials_encrypted"] or {}
    return {field: token for field, token in own.items() if token is not None} | additional


def added(event: StoredEvent) -> RowChange:
    """CredentialAdded."""
    data = event.data
    tokens = data["tokens"]
    row: CredentialRow = {
        "id": data["credential_id"],
        "account_id": event.stream_id,
        "exchange_id": data["exchange_id"],
        "api_key_encrypted": tokens.get("api_key"),
        "secret_key_encrypted": tokens.get("secret_key"),
        "additional_credentials_encrypted": _additional(tokens),
        "exchange_account_id": data.get("exchange_account_id"),
        "subaccount_index": data["subaccount_index"],
        "is_active": data.get("is_active", True),
        "last_used": _utc(data.get("last_used")),
        # One that comes back after it was removed is as old as it was.
        "created_at": told_time(event, "created_at"),
        "updated_at": told_time(event, "updated_at"),
        "permission": data["permission"],
        "version": data["version"],
        "data_key_id": data["data_key_id"],
        "label": data.get("label"),
        "expires_at": _utc(data.get("expires_at")),
        "ip_allow_list": data.get("ip_allow_list"),
    }
    return Insert(TABLE, data["credential_id"], cast("Row", row))


def replaced(event: StoredEvent) -> RowChange:
    """CredentialReplaced: another version of the secrets in the same slot."""
    data = event.data
    tokens = data["tokens"]
    values = _details(event)
    values["version"] = data["version"]
    values["data_key_id"] = data["data_key_id"]
    values["api_key_encrypted"] = tokens.get("api_key")
    values["secret_key_encrypted"] = tokens.get("secret_key")
    values["additional_credentials_encrypted"] = _additional(tokens)
    return Patch(TABLE, data["credential_id"], values)


def updated(event: StoredEvent) -> RowChange:
    """CredentialUpdated: the details that the event has, and no others."""
    return Patch(TABLE, event.data["credential_id"], _details(event))


def deactivated(event: StoredEvent) -> RowChange:
    """CredentialDeactivated."""
    values = {"is_active": False, "updated_at": event.occurred_at}
    return Patch(TABLE, event.data["credential_id"], values)


def reactivated(event: StoredEvent) -> RowChange:
    """CredentialReactivated."""
    values = {"is_active": True, "updated_at": event.occurred_at}
    return Patch(TABLE, event.data["credential_id"], values)


def removed(event: StoredEvent) -> RowChange:
    """CredentialRemoved."""
    return Delete(TABLE, event.data["credential_id"])


def released(event: StoredEvent) -> RowChange:
    """CredentialReleased, an event of the stream of whom it was released for."""
    return Patch(TABLE, event.data["credential_id"], {"last_used": event.occurred_at})


def _additional(tokens: dict[str, str]) -> dict[str, str] | None:
    if tokens.keys() <= OWN_COLUMNS.keys():
        return None
    return {field: token for field, token in tokens.items() if field not in OWN_COLUMNS}


def _details(event: StoredEvent) -> dict[str, Any]:
    """When it was changed, and those of the details that the event has."""
    data = event.data
    values: dict[str, Any] = {"updated_at": event.occurred_at}
    for name in DETAILS:
        if name in data:
            values[name] = _utc(data[name]) if name == "expires_at" else data[name]
    return values


def _utc(moment: str | None) -> str | None:
    return None if moment is None else database_time(moment)


HANDLERS: Final = {
    "CredentialAdded": added,
    "CredentialReplaced": replaced,
    "CredentialUpdated": updated,
    "CredentialDeactivated": deactivated,
    "CredentialReactivated": reactivated,
    "CredentialRemoved": removed,
    "CredentialReleased": released,
}
