"""Rollback of an account's credentials."""

from typing import Any

from projections.credentials import TABLE, CredentialRow, tokens_of
from registry.differences import in_words
from registry.events.credentials import (
    CredentialAdded,
    CredentialDeactivated,
    CredentialReactivated,
    CredentialRemoved,
    CredentialReplaced,
    CredentialUpdated,
)
from registry.rules.account_state import AccountState
from registry.rules.credentials import identity
from registry.rules.details import differences
from registry.rules.rollback.accounts import activity, moment
from registry.rules.rollback.draft import Draft, Histories


def go(draft: Draft, account: Histories) -> None:
    """Plans the removal of credentials that the account did not hold then."""
    wanted = _held(account.then)
    for key, row in _held(account.now).items():
        exchange = row["exchange_id"]
        if key in wanted:
            continue
        if all(held["exchange_id"] != exchange for held in wanted.values()) and (
            borrowers := draft.borrowers(account, exchange)
        ):
            what = _named(account.now, row)
            draft.lose(f"{what} of {account.name} is lent to {borrowers}, and cannot go")
            continue
        event = CredentialRemoved(**identity(account.now, row))
        draft.append(account, event, "-", _named(account.now, row))


def come(draft: Draft, account: Histories) -> None:
    """Plans the return of removed credentials, and the former state of the rest."""
    present = _held(account.now) if account.now.exists else {}
    for key, then in _held(account.then).items():
        if key not in present:
            _back(draft, account, then)
        else:
            _changes(draft, account, then, present[key])


def _back(draft: Draft, account: Histories, then: CredentialRow) -> None:
    if not _readable(draft, account, then):
        return
    told = TABLE.details_in(then)
    given = {name: value for name, value in told.items() if value is not None}
    if then["last_used"] is not None:
        given["last_used"] = moment(then["last_used"])
    created = moment(then["created_at"])
    event = CredentialAdded(**_sealed(account.then, then), created_at=created, **given)
    draft.append(account, event, "+", _named(account.then, then))
    if not then["is_active"]:
        draft.append(account, CredentialDeactivated(**identity(account.then, then)), "~", "")


def _changes(draft: Draft, account: Histories, then: CredentialRow, now: CredentialRow) -> None:
    name = str(account.then.slot_of(then))
    current = TABLE.details_in(now)
    changed = differences(current, TABLE.details_in(then))
    if then["data_key_id"] != now["data_key_id"] and _readable(draft, account, then):
        text = f"{name}: secrets of version {now['version']} → {then['version']}"
        event = CredentialReplaced(**_sealed(account.then, then), **changed)
        draft.append(account, event, "~", text)
    elif changed:
        updated = CredentialUpdated(**identity(account.then, then), **changed)
        draft.append(account, updated, "~", f"{name}: {in_words(current, changed)}")
    if then["is_active"] != now["is_active"]:
        kind = CredentialReactivated if then["is_active"] else CredentialDeactivated
        text = activity(name, active=then["is_active"])
        draft.append(account, kind(**identity(account.then, then)), "~", text)


def _readable(draft: Draft, account: Histories, row: CredentialRow) -> bool:
    if row["data_key_id"] in draft.world.data_keys:
        return True
    slot = account.then.slot_of(row)
    version = row["version"]
    draft.lose(f"the secrets of {account.name} for {slot} version {version} were destroyed")
    return False


def _held(state: AccountState) -> dict[str, CredentialRow]:
    return {row["id"]: row for row in state.credentials()}


def _sealed(state: AccountState, row: CredentialRow) -> dict[str, Any]:
    return {
        **identity(state, row),
        "version": row["version"],
        "data_key_id": row["data_key_id"],
        "tokens": tokens_of(row),
        "fingerprints": state.fingerprints(row),
    }


def _named(state: AccountState, row: CredentialRow) -> str:
    return f"credential {state.slot_of(row)} version {row['version']}"
