"""What becomes of a row of the tables from before the registry.

Each row either fits the rules, or has problems: each of them with the decisions that would
solve it and a proposal. Nothing is dropped, renamed or moved unless somebody decided so.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from projections.rows import Table
from registry.errors import InvalidInput

ACCOUNTS: Final = "accounts"
CREDENTIALS: Final = "account_exchange_credentials"
SHARING: Final = "account_exchange_sharing"
POSITIONS: Final = "strategy_positions"

LEAVE_OUT: Final = "leave-out"
LISTED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and with which value if it needs one."""

    decision: str
    value: Any = None

    def __str__(self) -> str:
        return self.decision if self.value is None else f"{self.decision}: {self.value}"


class RowName(NamedTuple):
    """Which row it is about."""

    table: str
    id: str
    of: str
    """The row in words: the account, the exchange."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule that a row breaks."""

    table: str
    id: str
    of: str
    """The row in words: the account, the exchange."""
    problem: str
    text: str
    choices: tuple[str, ...] = (LEAVE_OUT,)
    proposal: Decision = Decision(LEAVE_OUT)

    @property
    def key(self) -> tuple[str, str, str]:
        """What a decision names."""
        return self.table, self.id, self.problem


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a row that is worth knowing and needs no decision."""

    table: str
    id: str
    of: str
    note: str
    text: str


@dataclass(slots=True)
class Judge:
    """Knows what was decided, and keeps what was not."""

    decisions: Mapping[tuple[str, str, str], Decision] = field(default_factory=dict)
    accept_proposals: bool = False
    undecided: list[Problem] = field(default_factory=list)
    decided: list[tuple[Problem, Decision]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    """The first of them."""
    note_counts: Counter[str] = field(default_factory=Counter)

    def decide(self, problem: Problem) -> Decision | None:
        """The decision about a problem, or None if there is none yet.

        Raises:
            InvalidInput: the decision is none that solves this problem.
        """
        decision = self.decisions.get(problem.key)
        if decision is None and self.accept_proposals:
            decision = problem.proposal
        if decision is None:
            self.undecided.append(problem)
            return None
        if decision.decision not in problem.choices:
            raise InvalidInput(
                f"{decision.decision!r} is no decision about {problem.problem} "
                f"of {problem.table} {problem.id}",
                hint=f"It is one of: {', '.join(problem.choices)}.",
            )
        self.decided.append((problem, decision))
        return decision

    def note(self, note: Note) -> None:
        """Keeps a note; counts it if there are too many to list."""
        self.note_counts[note.note] += 1
        if len(self.notes) < LISTED:
            self.notes.append(note)

    def unused(self) -> list[tuple[str, str, str]]:
        """Decisions about what is no problem."""
        used = {problem.key for problem, _ in self.decided}
        return [key for key in self.decisions if key not in used]


class LegacyRow(Protocol):
    """A row as it was found."""

    @property
    def named(self) -> RowName:
        """Which row it is."""

    @property
    def told(self) -> Mapping[str, str | None]:
        """Its moments and details, as text."""


def told_of(
    table: Table, row: LegacyRow, judge: Judge, *, but: Collection[str] = ()
) -> dict[str, Any] | None:
    """The moments and details of a row as events hold them, those that are NULL left out.

    None while a value that no event can hold awaits a decision.
    """
    found: dict[str, Any] = {}
    undecided = False
    for name, text in row.told.items():
        if text is None or name in but:
            continue
        value, wrong = _read(table, name, text)
        if not wrong:
            found[name] = value
        else:
            kind, forget = name.replace("_", "-"), Decision("forget")
            problem = Problem(*row.named, kind, wrong, ("forget",), forget)
            undecided |= judge.decide(problem) is None
    return None if undecided else found


def _read(table: Table, name: str, text: str) -> tuple[Any, str]:
    """A value as events hold it, and why they cannot."""
    if name in table.moments:
        try:
            return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC), ""
        except ValueError:
            return None, f"{name} is {text}, which no calendar has"
    value = json.loads(text) if table.columns[name] == "jsonb" else text
    return value, table.misfit({name: value})


def told_columns(table: Table) -> list[str]:
    """The columns that `told_of` is about."""
    return [name for name in table.columns if name in {*table.moments, *table.details}]
