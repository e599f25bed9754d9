"""The kinds of problems, and what a problem is."""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from registry.hints import Hint

Severity: TypeAlias = Literal["critical", "warning", "notice"]
"""Something fails or is damaged; something will, or may; somebody meant it so."""
KindName: TypeAlias = Literal[
    "expired",
    "due",
    "failed_check",
    "same_key",
    "key_used_again",
    "second_user",
    "limit",
    "fallback",
    "held",
    "stopped",
    "not_allowed",
    "drift",
    "not_adopted",
    "no_checkpoint",
    "lag",
    "unreachable",
    "another_log",
]

DUE: Final = dt.timedelta(days=14)
"""A credential is due when it expires within this span."""


class Kind(NamedTuple):
    """A kind of problem."""

    check: str
    """The name of the check of `doctor` that finds it."""
    severity: Severity
    means: str


KINDS: Final[Mapping[KindName, Kind]] = {
    "expired": Kind("expiry", "critical", "a credential in use has expired"),
    "due": Kind("expiry", "warning", f"a credential in use expires within {DUE.days} days"),
    "failed_check": Kind(
        "checked keys", "critical", "the exchange refused a key, or said otherwise of it"
    ),
    "same_key": Kind("keys in common", "warning", "several credentials hold the same key"),
    "key_used_again": Kind(
        "keys in use again", "warning", "a credential holds a key that was given up before"
    ),
    "second_user": Kind(
        "users of a key", "warning", "an account received a key in two places within a day"
    ),
    "limit": Kind("limits", "warning", "an account has used 80 % of a limit, or more"),
    "fallback": Kind(
        "fallbacks", "warning", "a bot took keys from its environment, not from the registry"
    ),
    "held": Kind("old versions", "warning", "somebody may still hold an old version of a key"),
    "stopped": Kind("stops", "notice", "a stop is in force"),
    "not_allowed": Kind(
        "allowed exchanges", "warning", "an account holds what its allowed_exchanges do not name"
    ),
    "drift": Kind("tables", "critical", "the tables are not as the log says"),
    "not_adopted": Kind("legacy rows", "warning", "rows from before the registry wait"),
    "no_checkpoint": Kind(
        "checkpoints", "warning", "no checkpoint covers events that are a day old"
    ),
    "lag": Kind("consumers", "warning", "a consumer of the log has not read for minutes"),
    # These two are told by `alerts run` alone: whoever lists problems can read the registry.
    "unreachable": Kind("database", "critical", "the registry could not be read for minutes"),
    "another_log": Kind("log", "critical", "the log is not the one that was followed"),
}
"""Every kind of problem, by its name; the order is that of the list."""

URGENT: Final[frozenset[str]] = frozenset({"expired", "due", "failed_check", "drift"})
"""The kinds that turn the exit code to 6: something is due, or damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is wrong, or soon will be, and what to do about it."""

    kind: KindName
    text: str
    hint: Hint
    account: str | None = None
    exchange: str | None = None
    since: dt.datetime | None = None
    """Since when it is so, as far as that is known."""
    also: tuple[str, ...] = ()
    """Other accounts that it is about."""
    about: str = ""
    """What tells it from other problems of its kind, account and exchange, while it lasts."""

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return KINDS[self.kind].severity

    @property
    def id(self) -> str:
        """The same for the same problem, however its text changes while it lasts."""
        parts = (self.kind, self.account or "", self.exchange or "", self.about)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """The problems by severity, kind, account and exchange."""
    severities: Sequence[Severity] = ("critical", "warning", "notice")
    kinds = list(KINDS)

    def place(problem: Problem) -> tuple[int, int, str, str, str]:
        severity, kind = severities.index(problem.severity), kinds.index(problem.kind)
        return severity, kind, problem.account or "", problem.exchange or "", problem.about

    return sorted(problems, key=place)
