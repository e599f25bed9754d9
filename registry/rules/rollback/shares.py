"""Rollback of the shares that an account borrows, and of the roles that may use it."""

from projections import access, sharing
from projections.rows import Row
from registry.events.codec import EVENT_TYPES
from registry.rules.account_state import AccountState
from registry.rules.rollback.draft import Draft, Histories, Sign


def shares_end(draft: Draft, account: Histories) -> None:
    """Plans the end of shares that did not exist then, or had another lender."""
    then = _shares(account.then)
    for key, row in _shares(account.now).items():
        if key not in then or _lender_of(row) != _lender_of(then[key]):
            lender = draft.world.names.get(_lender_of(row), _lender_of(row))
            _share(draft, account, account.now, "SharingRevoked", row, "-", f"share of {lender}")
            draft.shares.pop(key, None)


def shares_come(draft: Draft, account: Histories) -> None:
    """Plans the return of former shares as far as possible."""
    present = _shares(account.now) if account.now.exists else {}
    for key, then in _shares(account.then).items():
        lender = _lender_of(then)
        now = present.get(key)
        if now is not None and (_lender_of(now), now["sharing_type"]) == (
            lender,
            then["sharing_type"],
        ):
            continue
        if lender in draft.names and not _can_lend(draft, lender, then["exchange_id"]):
            name = draft.names[lender]
            draft.lose(f"a share of {account.name} cannot come back: {name} has nothing to lend")
        elif now is not None and _lender_of(now) == lender:
            text = f"share: {now['sharing_type']} → {then['sharing_type']}"
            _share(draft, account, account.then, "SharingChanged", then, "~", text)
        elif lender not in draft.names:
            draft.lose(f"a share of {account.name} cannot come back: its lender is gone")
        elif chain := _chain(draft, account.account_id, lender, then["exchange_id"]):
            draft.lose(f"a share of {account.name} cannot come back: {chain}")
        else:
            text = f"share of {draft.names[lender]}"
            _share(draft, account, account.then, "SharingGranted", then, "+", text)
            draft.shares[key] = account.account_id, lender, then["exchange_id"]


def _chain(draft: Draft, borrower: str, lender: str, exchange_id: int) -> str:
    """The reason why the share would make a chain, in words; empty if it would not."""
    for other_borrower, other_lender, exchange in draft.shares.values():
        if exchange != exchange_id:
            continue
        if other_borrower == lender:
            from_whom = draft.names.get(other_lender, other_lender)
            return f"{draft.names[lender]} borrows from {from_whom} itself"
        if other_lender == borrower:
            return f"it lends to {draft.names.get(other_borrower, other_borrower)} itself"
    return ""


def _can_lend(draft: Draft, lender: str, exchange_id: int) -> bool:
    """Whether the lender will have an active credential, as a new share needs."""
    rolled = next((a for a in draft.accounts if a.account_id == lender), None)
    if rolled is None:
        return (lender, exchange_id) in draft.world.lenders
    return (
        rolled.then.exists
        and rolled.then.account["is_active"]
        and any(
            row["exchange_id"] == exchange_id and row["is_active"]
            for row in rolled.then.credentials()
            if row["data_key_id"] in draft.world.data_keys
        )
    )


def _share(
    draft: Draft,
    account: Histories,
    state: AccountState,
    kind: str,
    row: Row,
    sign: Sign,
    text: str,
) -> None:
    lender = _lender_of(row)
    given = {
        "share_id": row["id"],
        "exchange": state.exchange_names[row["exchange_id"]],
        "exchange_id": row["exchange_id"],
        "lender_id": lender,
        "lender": draft.names.get(lender, lender),
        "sharing_type": row["sharing_type"],
    }
    model = EVENT_TYPES[kind]
    event = model(**{name: given[name] for name in model.model_fields if name in given})
    draft.append(account, event, sign, text, lender=lender)


def access_ends(draft: Draft, account: Histories) -> None:
    """Plans to revoke the access of roles that had none then."""
    then = _accesses(account.then)
    for key, row in _accesses(account.now).items():
        if key not in then:
            _access(draft, account, "AccessRevoked", row, "-")


def access_comes(draft: Draft, account: Histories) -> None:
    """Plans to grant access again to roles that still exist."""
    present = _accesses(account.now) if account.now.exists else {}
    for key, row in _accesses(account.then).items():
        if key in present:
            continue
        if row["role_name"] in draft.world.roles:
            _access(draft, account, "AccessGranted", row, "+")
        else:
            draft.lose(
                f"access of role {row['role_name']} to {account.name} cannot come back: "
                "there is no such login role"
            )


def _access(draft: Draft, account: Histories, kind: str, row: Row, sign: Sign) -> None:
    given = {"access_id": row["id"], "role": row["role_name"]}
    event = EVENT_TYPES[kind](**given)
    draft.append(account, event, sign, f"access of role {row['role_name']}")


def _shares(state: AccountState) -> dict[str, Row]:
    return state.rows.get(sharing.TABLE.name, {})


def _accesses(state: AccountState) -> dict[str, Row]:
    return state.rows.get(access.TABLE.name, {})


def _lender_of(row: Row) -> str:
    return str(row["shared_account_id"])
