"""The table `account_exchange_credential_versions`: every version that a credential ever had.

A version outlives its credential and its account, so no row is ever deleted. A version that its
credential names is the current one; the view `credential_versions` tells the state of each.
"""

from typing import Annotated, Final, TypedDict, cast

from projections.columns import OWN_TIME, Column
from projections.rows import Put, Row, RowChange, Table
from registry.events.stored import StoredEvent, database_time


class VersionRow(TypedDict):
    """A row of `account_exchange_credential_versions`."""

    id: Annotated[str, Column("uuid")]
    """The id of its data key."""
    account_id: Annotated[str, Column("uuid")]
    credential_id: Annotated[str, Column("uuid")]
    version: Annotated[int, Column("integer", lambda version: version > 0)]
    stream_version: Annotated[int, Column("integer", lambda version: version > 0)]
    """The version of the account's stream at the event that holds the tokens."""
    is_pending: Annotated[bool, Column("boolean", default=False)]
    usable_until: Annotated[str | None, Column("timestamp")]
    """The end of its grace, in which a former version can still be asked for."""
    updated_at: Annotated[str, Column("timestamp", default=OWN_TIME)]
    """The time since which it is pending, current, in grace or retired."""


TABLE: Final = Table.of("account_exchange_credential_versions", VersionRow)


def came(event: StoredEvent) -> RowChange:
    """CredentialAdded and CredentialReplaced: the version is the current one."""
    return _sealed(event, is_pending=False)


def prepared(event: StoredEvent) -> RowChange:
    """CredentialPrepared."""
    return _sealed(event, is_pending=True)


def kept(event: StoredEvent) -> RowChange:
    """CredentialVersionKept."""
    until = database_time(event.data["usable_until"])
    return TABLE.patch(event, event.data["data_key_id"], is_pending=False, usable_until=until)


def retired(event: StoredEvent) -> RowChange:
    """CredentialVersionRetired."""
    return TABLE.patch(event, event.data["data_key_id"], is_pending=False, usable_until=None)


def _sealed(event: StoredEvent, *, is_pending: bool) -> RowChange:
    # Written out, since a rebuild does this for each version. An event may name times of its
    # credential, which are not those of the version.
    data = event.data
    row: VersionRow = {
        "id": data["data_key_id"],
        "account_id": event.stream_id,
        "credential_id": data["credential_id"],
        "version": data["version"],
        "stream_version": event.stream_version,
        "is_pending": is_pending,
        "usable_until": None,
        "updated_at": event.occurred_at,
    }
    return Put(TABLE, row["id"], cast("Row", row))


HANDLERS: Final = {
    "CredentialAdded": came,
    "CredentialReplaced": came,
    "CredentialPrepared": prepared,
    "CredentialVersionKept": kept,
    "CredentialVersionRetired": retired,
}
