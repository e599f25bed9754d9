"""Problems of rows from before the registry, and decisions about them.

A row fits the rules or has problems. Each problem comes with possible decisions and a proposal.
Nothing is dropped, renamed or moved without a decision.
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
    """A decision about a problem, with a value if it needs one."""

    decision: str
    value: Any = None

    def __str__(self) -> str:
        return self.decision if self.value is None else f"{self.decision}: {self.value}"


class RowName(NamedTuple):
    """The identity of a row, for people and for decisions."""

    table: str
    id: str
    of: str
    """A description of the row, such as its account and exchange."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule that a row breaks."""

    table: str
    id: str
    of: str
    """A description of the row, such as its account and exchange."""
    problem: str
    text: str
    choices: tuple[str, ...] = (LEAVE_OUT,)
    proposal: Decision = Decision(LEAVE_OUT)

    @property
    def key(self) -> tuple[str, str, str]:
        """The key by which a decision names the problem."""
        return self.table, self.id, self.problem


@dataclass(frozen=True, slots=True)
class Note:
    """A remark about a row that needs no decision."""

    table: str
    id: str
    of: str
    note: str
    text: str


@dataclass(slots=True)
class Judge:
    """Applies given decisions, and collects undecided problems."""

    decisions: Mapping[tuple[str, str, str], Decision] = field(default_factory=dict)
    accept_proposals: bool = False
    undecided: list[Problem] = field(default_factory=list)
    decided: list[tuple[Problem, Decision]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    """The first notes; `note_counts` counts all."""
    note_counts: Counter[str] = field(default_factory=Counter)

    def decide(self, problem: Problem) -> Decision | None:
        """The decision about a problem, or None if it is undecided.

        Raises:
            InvalidInput: the decision cannot solve this problem.
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
        """Counts a note, and keeps it unless there are too many."""
        self.note_counts[note.note] += 1
        if len(self.notes) < LISTED:
            self.notes.append(note)

    def unused(self) -> list[tuple[str, str, str]]:
        """The keys of decisions that match no problem."""
        used = {problem.key for problem, _ in self.decided}
        return [key for key in self.decisions if key not in used]


class LegacyRow(Protocol):
    """A row from before the registry."""

    @property
    def named(self) -> RowName:
        """The name of the row."""

    @property
    def told(self) -> Mapping[str, str | None]:
        """The moments and details of the row, as text."""


def told_of(
    table: Table, row: LegacyRow, judge: Judge, *, but: Collection[str] = ()
) -> dict[str, Any] | None:
    """The moments and details of a row in the form of events, without those that are NULL.

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
    """The value in the form of events, and the reason why they cannot hold it (or empty)."""
    if name in table.moments:
        try:
            return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC), ""
        except ValueError:
            return None, f"{name} is {text}, which no calendar has"
    value = json.loads(text) if table.columns[name] == "jsonb" else text
    return value, table.misfit({name: value})


def told_columns(table: Table) -> list[str]:
    """The columns of `told_of`: moments and details."""
    return [name for name in table.columns if name in {*table.moments, *table.details}]
