"""The table `account_exchange_credentials`."""

from typing import Annotated, Any, Final, TypedDict, get_args

from projections.columns import OWN_TIME, Column, is_array, is_object
from projections.rows import Delete, Patch, RowChange, Table
from registry.events.permissions import Permission
from registry.events.stored import StoredEvent


def _is_permission(value: str) -> bool:
    return value in get_args(Permission)


class CredentialRow(TypedDict):
    """A row of `account_exchange_credentials`."""

    id: Annotated[str, Column("uuid", original=True)]
    account_id: Annotated[str, Column("uuid", original=True, account=True)]
    exchange_id: Annotated[int, Column("integer", original=True)]
    api_key_encrypted: Annotated[str | None, Column("text", secret=True)]
    secret_key_encrypted: Annotated[str | None, Column("text", secret=True)]
    additional_credentials_encrypted: Annotated[
        dict[str, str] | None, Column("jsonb", is_object, secret=True)
    ]
    exchange_account_id: Annotated[str | None, Column("varchar(255)", detail=True)]
    subaccount_index: Annotated[int | None, Column("integer")]
    is_active: Annotated[bool, Column("boolean", default=True)]
    last_used: Annotated[str | None, Column("timestamp")]
    created_at: Annotated[str, Column("timestamp", default=OWN_TIME)]
    updated_at: Annotated[str, Column("timestamp", default=OWN_TIME)]
    permission: Annotated[str, Column("varchar(20)", _is_permission)]
    version: Annotated[int, Column("integer", lambda version: version > 0)]
    data_key_id: Annotated[str, Column("uuid")]
    label: Annotated[str | None, Column("varchar(255)", detail=True)]
    expires_at: Annotated[str | None, Column("timestamp", detail=True)]
    ip_allow_list: Annotated[list[str] | None, Column("jsonb", is_array, detail=True)]


TABLE: Final = Table.of(
    "account_exchange_credentials",
    CredentialRow,
    unique=("account_id", "exchange_id", "subaccount_index", "permission"),
)

OWN_COLUMNS: Final = {"api_key": "api_key_encrypted", "secret_key": "secret_key_encrypted"}
"""The fields that have a column of their own; all other fields share the JSON column."""


def tokens_of(row: CredentialRow) -> dict[str, str]:
    """The tokens of a row by field: api_key, secret_key, then the additional fields."""
    own = {field: row[column] for field, column in OWN_COLUMNS.items()}  # type: ignore[literal-required]
    additional = row["additional_credentials_encrypted"] or {}
    return {field: token for field, token in own.items() if token is not None} | additional


def added(event: StoredEvent) -> RowChange:
    """CredentialAdded; a credential that comes back keeps its former `created_at`."""
    key = event.data["credential_id"]
    return TABLE.insert(event, key, account_id=event.stream_id, **_columns(event.data["tokens"]))


def replaced(event: StoredEvent) -> RowChange:
    """CredentialReplaced: a new version of the secrets in the same slot."""
    data = event.data
    version = {"version": data["version"], "data_key_id": data["data_key_id"]}
    return TABLE.patch(event, data["credential_id"], **version, **_columns(data["tokens"]))


def updated(event: StoredEvent) -> RowChange:
    """CredentialUpdated changes only the details that the event carries."""
    return TABLE.patch(event, event.data["credential_id"])


def deactivated(event: StoredEvent) -> RowChange:
    """CredentialDeactivated."""
    return TABLE.patch(event, event.data["credential_id"], is_active=False)


def reactivated(event: StoredEvent) -> RowChange:
    """CredentialReactivated."""
    return TABLE.patch(event, event.data["credential_id"], is_active=True)


def removed(event: StoredEvent) -> RowChange:
    """CredentialRemoved."""
    return Delete(TABLE, event.data["credential_id"])


def released(event: StoredEvent) -> RowChange:
    """CredentialReleased: the stream is that of the account that received the credential."""
    return Patch(TABLE, event.data["credential_id"], {"last_used": event.occurred_at})


def _columns(tokens: dict[str, str]) -> dict[str, Any]:
    """The values of the secret columns for a version's tokens."""
    own = {column: tokens.get(field) for field, column in OWN_COLUMNS.items()}
    others = {field: token for field, token in tokens.items() if field not in OWN_COLUMNS}
    return {**own, "additional_credentials_encrypted": others or None}


HANDLERS: Final = {
    "CredentialAdded": added,
    "CredentialReplaced": replaced,
    "CredentialUpdated": updated,
    "CredentialDeactivated": deactivated,
    "CredentialReactivated": reactivated,
    "CredentialRemoved": removed,
    "CredentialReleased": released,
}
