"""Rollback of an account itself: existence, name, details, and whether it is active."""

import datetime as dt

from projections.accounts import TABLE
from registry.differences import in_words
from registry.events.accounts import (
    AccountDeactivated,
    AccountDeleted,
    AccountReactivated,
    AccountRenamed,
    AccountRestored,
    AccountUpdated,
)
from registry.plurals import counted
from registry.rules.details import differences
from registry.rules.rollback.draft import Draft, Histories


def delete(draft: Draft, account: Histories) -> None:
    """Plans the deletion of an account that did not exist then."""
    in_use = [p for p, owner in draft.owners.items() if owner == account.account_id]
    borrowers = draft.borrowers(account)
    if in_use:
        draft.lose(
            f"account {account.name} owns {counted(len(in_use), 'position')}, and cannot be deleted"
        )
    elif borrowers:
        draft.lose(f"account {account.name} lends to {borrowers}, and cannot be deleted")
    else:
        draft.append(account, AccountDeleted(account_name=account.name), "-", "account")
        draft.names.pop(account.account_id, None)


def rename(draft: Draft, accounts: list[Histories]) -> None:
    """Plans the renames, in an order in which each name is free when it is needed."""
    waiting = [account for account in accounts if account.then.name != account.now.name]
    while waiting:
        free = [account for account in waiting if draft.holder(account.then.name) is None]
        if free:
            _rename_to(draft, free[0], free[0].then.name)
            waiting.remove(free[0])
            continue
        holders = {account.account_id for account in waiting}
        blocked = [a for a in waiting if draft.holder(a.then.name) not in holders]
        for account in blocked:
            draft.lose_name(account)
            waiting.remove(account)
        if not blocked:
            # The accounts exchanged names: one of them temporarily takes its id as its name.
            _rename_to(draft, waiting[0], waiting[0].account_id, quietly=True)


def _rename_to(draft: Draft, account: Histories, name: str, *, quietly: bool = False) -> None:
    previous = draft.names[account.account_id]
    text = "" if quietly else f"name: {account.now.name!r} → {name!r}"
    draft.append(account, AccountRenamed(account_name=name, previous_name=previous), "~", text)
    draft.names[account.account_id] = name


def restore(draft: Draft, account: Histories) -> None:
    """Plans the return of a deleted account under its id."""
    if draft.holder(account.then.name) is not None:
        draft.lose_name(account)
        return
    then = account.then.account
    given = {name: value for name, value in TABLE.details_in(then).items() if value}
    event = AccountRestored(
        account_name=then["account_name"],
        is_active=then["is_active"],
        created_at=moment(then["created_at"]),
        **given,
    )
    draft.append(account, event, "+", "account")
    draft.names[account.account_id] = then["account_name"]


def change(draft: Draft, account: Histories) -> None:
    """Plans changes of the details, and of whether the account is active."""
    if not account.now.exists:
        return
    then, now = account.then.account, account.now.account
    current = TABLE.details_in(now)
    changed = differences(current, TABLE.details_in(then))
    if changed:
        draft.append(account, AccountUpdated(**changed), "~", in_words(current, changed))
    if then["is_active"] != now["is_active"]:
        event = AccountReactivated() if then["is_active"] else AccountDeactivated()
        draft.append(account, event, "~", activity("account", active=then["is_active"]))


def moment(text: str) -> dt.datetime:
    """Converts a moment of a row to the form of events."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def activity(what: str, *, active: bool) -> str:
    """A change between active and inactive, in words."""
    return f"{what}: {'inactive → active' if active else 'active → inactive'}"
