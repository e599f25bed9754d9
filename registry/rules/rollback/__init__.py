"""Decisions about a rollback: the events that bring accounts back to an earlier state.

Nothing is removed from the log. Ordinary events undo the changes after a position. State that
cannot come back is named, and is left out only if the caller allows it.
"""

from collections.abc import Iterable

from registry.rules.rollback import accounts as account
from registry.rules.rollback import credentials, positions, shares, versions
from registry.rules.rollback.draft import Draft, Histories, Line, Plan, Step, World

__all__ = ["Histories", "Line", "Plan", "Step", "World", "plan"]


def plan(accounts: Iterable[Histories], world: World) -> Plan:
    """Plans the events that bring these accounts back, in an order that the tables accept.

    It works in phases over all accounts: obstacles are removed before anything comes back.
    """
    draft = Draft([a for a in accounts if a.now.exists or a.then.exists], world)
    kept = [a for a in draft.accounts if a.now.exists]
    for clear in (shares.access_ends, shares.shares_end, positions.go, credentials.go):
        for histories in kept:
            clear(draft, histories)
    for histories in kept:
        if not histories.then.exists:
            account.delete(draft, histories)
    account.rename(draft, [a for a in kept if a.then.exists])
    for histories in draft.accounts:
        if not histories.now.exists:
            account.restore(draft, histories)
    back = [a for a in draft.accounts if a.then.exists and a.account_id in draft.names]
    for bring in (
        account.change,
        credentials.come,
        versions.come,
        positions.come,
        shares.shares_come,
        shares.access_comes,
    ):
        for histories in back:
            bring(draft, histories)
    return draft.plan
