"""Rollback of the positions that an account owns."""

import uuid

from projections.positions import TABLE
from registry.events.positions import PositionsLinked, PositionsUnlinked
from registry.plurals import counted
from registry.rules.account_state import AccountState
from registry.rules.positions import parts
from registry.rules.rollback.draft import Draft, Histories


def go(draft: Draft, account: Histories) -> None:
    """Plans to unlink the positions that the account did not own then."""
    wanted = _links(account.then) if account.then.exists else set()
    gone = sorted(_links(account.now) - wanted)
    for ids in parts([uuid.UUID(position) for position in gone]):
        draft.append(account, PositionsUnlinked(positions=ids), "-", counted(len(ids), "position"))
    for position in gone:
        if draft.owners.get(position) == account.account_id:
            draft.owners[position] = None


def come(draft: Draft, account: Histories) -> None:
    """Plans to link former positions that still exist and belong to no other account."""
    wanted = _links(account.then) - (_links(account.now) if account.now.exists else set())
    back = []
    for position in sorted(wanted):
        owner = draft.owners.get(position)
        if position not in draft.owners:
            draft.lose(f"position {position} of {account.name} is gone")
        elif owner not in (None, account.account_id):
            holder = draft.names.get(owner, owner)
            draft.lose(f"position {position} of {account.name} belongs to {holder} now")
        else:
            back.append(uuid.UUID(position))
    for ids in parts(back):
        draft.append(account, PositionsLinked(positions=ids), "+", counted(len(ids), "position"))


def _links(state: AccountState) -> set[str]:
    rows = state.rows.get(TABLE.name, {})
    return {position for position, row in rows.items() if row["account_id"] is not None}
