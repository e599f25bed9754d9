"""Decisions about the positions that an account owns."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from registry.errors import PositionsOwned
from registry.events.positions import PositionsLinked, PositionsUnlinked
from registry.hints import Hint, Option
from registry.rules.account_state import AccountState

PER_EVENT: Final = 1_000
"""The maximum number of positions in one event."""
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Owned:
    """A position and its current owner."""

    id: uuid.UUID
    account_id: uuid.UUID | None
    account_name: str | None


@dataclass(frozen=True, slots=True)
class Linking:
    """The events of linking: former owners give up the positions that the account gets."""

    unlinked: dict[uuid.UUID, list[PositionsUnlinked]]
    linked: list[PositionsLinked]


def link(state: AccountState, positions: Sequence[Owned], *, move: bool) -> Linking:
    """Links positions to the account; `move` allows positions of other accounts.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        PositionsOwned: some belong to another account, and may not move.
    """
    account_id = uuid.UUID(state.active_account()["id"])
    wanted = [position for position in positions if position.account_id != account_id]
    owners: dict[uuid.UUID, list[uuid.UUID]] = {}
    for linked in wanted:
        if linked.account_id is not None:
            owners.setdefault(linked.account_id, []).append(linked.id)
    if owners and not move:
        raise _owned_by_others([position for position in wanted if position.account_id is not None])
    return Linking(
        {
            owner: [PositionsUnlinked(positions=part) for part in parts(ids)]
            for owner, ids in owners.items()
        },
        [PositionsLinked(positions=part) for part in parts([position.id for position in wanted])],
    )


def unlink(state: AccountState, positions: Sequence[Owned]) -> list[PositionsUnlinked]:
    """Unlinks positions from the account; positions without an owner are ignored.

    Raises:
        AccountNotFound: the account was never created, or was deleted.
        PositionsOwned: some belong to another account.
    """
    account_id = uuid.UUID(state.account["id"])
    others = [position for position in positions if position.account_id not in (None, account_id)]
    if others:
        raise _owned_by_others(others)
    owned = [position.id for position in positions if position.account_id == account_id]
    return [PositionsUnlinked(positions=part) for part in parts(owned)]


def parts(ids: Sequence[uuid.UUID]) -> list[list[uuid.UUID]]:
    """Splits the ids into parts that fit into one event each."""
    return [list(ids[first : first + PER_EVENT]) for first in range(0, len(ids), PER_EVENT)]


def _owned_by_others(positions: Sequence[Owned]) -> PositionsOwned:
    named = ", ".join(
        f"{position.id} of {position.account_name}" for position in positions[:_NAMED]
    )
    more = len(positions) - _NAMED
    return PositionsOwned(
        f"positions belong to another account: {named}" + (f" and {more} more" if more > 0 else ""),
        hint=Hint("Add ", Option("move"), " to take them over."),
    )
