"""The input of a rollback, and the plan that it makes."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from registry.events.base import EventModel
from registry.rules.account_state import AccountState

Sign = Literal["+", "-", "~"]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The input of a rollback in addition to the accounts' own events."""

    data_keys: frozenset[str] = frozenset()
    """Ids of the existing data keys; a version whose data key is gone cannot be decrypted."""
    owners: Mapping[str, str | None] = field(default_factory=dict)
    """Position id -> owner in the table, of existing positions that the rollback concerns."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Account id -> name, of all existing accounts."""
    shares: Mapping[str, tuple[str, str, int]] = field(default_factory=dict)
    """Share id -> (borrower, lender, exchange id), of all existing shares."""
    roles: frozenset[str] = frozenset()
    """Existing login roles that the rollback concerns."""
    lenders: frozenset[tuple[str, int]] = frozenset()
    """(account id, exchange id) of the active credentials of active accounts."""


@dataclass(frozen=True, slots=True)
class Line:
    """One change by the rollback, as a line of a diff."""

    account: str
    sign: Sign
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One event of the plan."""

    account_id: uuid.UUID
    event: EventModel
    related_account_id: uuid.UUID | None = None


@dataclass(slots=True)
class Plan:
    """The events of a rollback, their description, and the losses."""

    steps: list[Step] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Descriptions of state that cannot come back."""


@dataclass(frozen=True, slots=True)
class Histories:
    """The states of an account at the rollback's target position, and now."""

    account_id: str
    then: AccountState
    now: AccountState

    @property
    def name(self) -> str:
        """The account's name now, or its name then if it does not exist now."""
        return self.now.name if self.now.exists else self.then.name


class Draft:
    """An unfinished plan, with the names, owners and shares after its steps so far."""

    def __init__(self, accounts: list[Histories], world: World) -> None:
        self.accounts = accounts
        self.world = world
        self.plan = Plan()
        self.names = dict(world.names)
        self.owners = dict(world.owners)
        self.shares = dict(world.shares)

    def append(
        self,
        account: Histories,
        event: EventModel,
        sign: Sign,
        text: str,
        lender: str | None = None,
    ) -> None:
        """Adds a step, and its line unless `text` is empty."""
        related = None if lender is None else uuid.UUID(lender)
        self.plan.steps.append(Step(uuid.UUID(account.account_id), event, related))
        if text:
            self.plan.lines.append(Line(account.name, sign, text))

    def lose(self, what: str) -> None:
        """Records state that cannot come back."""
        self.plan.lost.append(what)

    def holder(self, name: str) -> str | None:
        """The id of the account that has a name, if any."""
        return next((key for key, held in self.names.items() if held == name), None)

    def lose_name(self, account: Histories) -> None:
        """Records that another account has taken an account's former name."""
        self.lose(f"the name {account.then.name} belongs to another account now")

    def borrowers(self, account: Histories, exchange_id: int | None = None) -> str:
        """The borrowers of the account, in words; empty if there are none."""
        found = {
            self.world.names.get(borrower, borrower)
            for borrower, lender, exchange in self.shares.values()
            if lender == account.account_id and exchange_id in (None, exchange)
        }
        return ", ".join(sorted(found))
