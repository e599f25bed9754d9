"""What a rollback must know, and the plan that it makes."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from registry.events.base import EventModel
from registry.rules.account_state import AccountState

Sign = Literal["+", "-", "~"]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the rollback must know beside the accounts' own events."""

    data_keys: frozenset[str] = frozenset()
    """Ids of the data keys that exist; a version whose key is gone cannot be read again."""
    owners: Mapping[str, str | None] = field(default_factory=dict)
    """The owner, in the table, of each position that exists and matters here."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Account id -> name, of all accounts that exist."""
    shares: Mapping[str, tuple[str, str, int]] = field(default_factory=dict)
    """Share id -> (borrower, lender, exchange id), of all shares that exist."""
    roles: frozenset[str] = frozenset()
    """Login roles that exist and matter here."""
    lenders: frozenset[tuple[str, int]] = frozenset()
    """Account and exchange id of each active credential of an active account that matters here."""


@dataclass(frozen=True, slots=True)
class Line:
    """One difference that the rollback makes, as in a diff."""

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
    """What a rollback would do."""

    steps: list[Step] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """What cannot come back, by name."""


@dataclass(frozen=True, slots=True)
class Histories:
    """An account at the position to go back to, and now."""

    account_id: str
    then: AccountState
    now: AccountState

    @property
    def name(self) -> str:
        """The account's name: of today, or of then if it does not exist today."""
        return self.now.name if self.now.exists else self.then.name


class Draft:
    """A plan in the making, and who has which name, position and share while it goes on."""

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
        """Adds a step, and its line where there is something to say."""
        related = None if lender is None else uuid.UUID(lender)
        self.plan.steps.append(Step(uuid.UUID(account.account_id), event, related))
        if text:
            self.plan.lines.append(Line(account.name, sign, text))

    def lose(self, what: str) -> None:
        """Names what cannot come back."""
        self.plan.lost.append(what)

    def holder(self, name: str) -> str | None:
        """Who has a name."""
        return next((key for key, held in self.names.items() if held == name), None)

    def lose_name(self, account: Histories) -> None:
        """Says that the name an account had is taken."""
        self.lose(f"the name {account.then.name} belongs to another account now")

    def borrowers(self, account: Histories, exchange_id: int | None = None) -> str:
        """Who borrows from the account, in words; empty if nobody does."""
        found = {
            self.world.names.get(borrower, borrower)
            for borrower, lender, exchange in self.shares.values()
            if lender == account.account_id and exchange_id in (None, exchange)
        }
        return ", ".join(sorted(found))
