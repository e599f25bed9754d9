"""Rollback of a rotation: which versions are pending, and which can still be asked for."""

from projections.credentials import CredentialRow
from projections.versions import VersionRow
from registry.events.credentials import (
    CredentialPrepared,
    CredentialVersionKept,
    CredentialVersionRetired,
)
from registry.rules.account_state import AccountState
from registry.rules.rollback.accounts import moment
from registry.rules.rollback.draft import Draft, Histories
from registry.rules.rotation import version_event


def come(draft: Draft, account: Histories) -> None:
    """Plans the former state of the versions besides the current ones, which came before."""
    present = {row["id"]: row["data_key_id"] for row in account.now.credentials()}
    for row in account.then.credentials():
        readable = row["data_key_id"] in draft.world.data_keys
        current = row["data_key_id"] if readable else present.get(row["id"])
        if current is not None:
            _versions(draft, account, row, current)


def _versions(draft: Draft, account: Histories, row: CredentialRow, current: str) -> None:
    then, now = _in_reserve(account.then, row), _in_reserve(account.now, row)
    for key, version in now.items():
        if key not in then and key != current:
            retired = version_event(CredentialVersionRetired, account.then, row, version)
            draft.append(account, retired, "~", f"{_named(account, row, version)} is retired")
    for key, version in then.items():
        if key == current or _state(version) == _state(now.get(key)):
            continue
        if key not in draft.world.data_keys:
            draft.lose(
                f"the secrets of {account.name} for {_named(account, row, version)} are gone"
            )
        elif version["is_pending"]:
            prepared = CredentialPrepared.model_validate(account.then.sealed[key])
            draft.append(account, prepared, "~", f"{_named(account, row, version)} is pending")
        else:
            until = moment(version["usable_until"] or "")
            kept = version_event(
                CredentialVersionKept, account.then, row, version, usable_until=until
            )
            text = f"{_named(account, row, version)} can be asked for until {until:%Y-%m-%d %H:%M}Z"
            draft.append(account, kept, "~", text)


def _in_reserve(state: AccountState, row: CredentialRow) -> dict[str, VersionRow]:
    versions = state.versions_held(row["id"])
    return {v["id"]: v for v in versions if v["is_pending"] or v["usable_until"] is not None}


def _state(version: VersionRow | None) -> tuple[bool, str | None] | None:
    return None if version is None else (version["is_pending"], version["usable_until"])


def _named(account: Histories, row: CredentialRow, version: VersionRow) -> str:
    return f"{account.then.slot_of(row)} version {version['version']}"
