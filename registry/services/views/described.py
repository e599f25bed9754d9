"""What each view shows: its columns, the states of its rows, and its filters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal[
    "account",
    "exchange",
    "text",
    "prose",
    "said",
    "list",
    "state",
    "number",
    "usd",
    "part",
    "since",
    "until",
]
"""What a column holds: `prose` is a sentence of this program, `said` a free text of a person or a
bot, `part` how much of a limit is used."""

Urgency = Literal["bad", "warn", "ok", "off"]
ATTENTION: Final = "attention"
"""The name of all states of a view that somebody should look at."""
ALL: Final = "all"
"""The name of all states, also of those that are shown only if asked for."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a view."""

    name: str
    """Its name in a row."""
    heading: str
    kind: Kind = "text"
    wide: bool = False
    """Whether it may be left out where there is little room."""
    limit: str | None = None
    """The column of a row with the limit of this one, if it has a limit."""

    @property
    def is_number(self) -> bool:
        """Whether its values are aligned to the right."""
        return self.kind in ("number", "usd", "part")


@dataclass(frozen=True, slots=True)
class View:
    """A table of the views."""

    name: str
    title: str
    thing: str
    """The noun for one row."""
    about: str
    columns: tuple[Column, ...]
    states: Mapping[str, Urgency]
    """State -> urgency, the most urgent first."""
    asked: tuple[str, ...] = ()
    """States that are shown only if asked for."""

    def states_of(self, wanted: str | None) -> list[str]:
        """The states that a filter selects; None selects the everyday ones.

        Raises:
            KeyError: the view has no such state.
        """
        if wanted is None:
            return [state for state in self.states if state not in self.asked]
        if wanted == ALL:
            return list(self.states)
        if wanted == ATTENTION:
            return [state for state, level in self.states.items() if level in ("bad", "warn")]
        return [state for state in self.states if state == wanted] or _unknown(wanted)

    @property
    def choices(self) -> tuple[str, ...]:
        """What a filter by state may be."""
        return (ATTENTION, *self.states, *((ALL,) if self.asked else ()))


def _unknown(wanted: str) -> list[str]:
    raise KeyError(wanted)


_ACCOUNT: Final = Column("account", "account", "account")
_STATE: Final = Column("state", "state", "state")
_EXCHANGE: Final = Column("exchange", "exchange", "exchange")

_ACCOUNTS: Final = View(
    "accounts",
    "Accounts",
    "account",
    "Every account; first those that need attention.",
    (
        _ACCOUNT,
        _STATE,
        Column("why", "why", "said"),
        Column("exposure_usd", "exposure, USD", "usd", limit="max_exposure_usd"),
        Column("of_limit", "of limit", "part"),
        Column("positions", "positions", "number", limit="max_positions"),
        Column("exchanges", "exchanges", "list"),
        Column("expires_at", "next expiry", "until"),
        Column("released_at", "last release", "since"),
        Column("description", "description", "said", wide=True),
    ),
    {
        "expired": "bad",
        "check failed": "bad",
        "stopped": "bad",
        "at its limit": "bad",
        "near its limit": "warn",
        "expires soon": "warn",
        "ok": "ok",
        "inactive": "off",
    },
)

_CREDENTIALS: Final = View(
    "credentials",
    "Credentials",
    "credential",
    "Keys at the exchanges, never their secrets.",
    (
        _ACCOUNT,
        _EXCHANGE,
        _STATE,
        Column("permission", "permission"),
        Column("subaccount", "subaccount", "number"),
        Column("version", "version", "number"),
        Column("other_versions", "others", "list"),
        Column("stored_at", "age", "since"),
        Column("expires_at", "expires", "until"),
        Column("outcome", "last check"),
        Column("checked_at", "checked", "since"),
        Column("may_hold", "may hold it", "list"),
        Column("old_held_by", "may hold an old one", "list"),
        Column("label", "label", "said", wide=True),
    ),
    {
        "expired": "bad",
        "check failed": "bad",
        "stopped": "bad",
        "expires soon": "warn",
        "differs": "warn",
        "ok": "ok",
        "inactive": "off",
    },
)

_SHARES: Final = View(
    "shares",
    "Shares",
    "share",
    "Who uses whose credentials.",
    (
        _ACCOUNT,
        _EXCHANGE,
        _STATE,
        Column("lender", "lender", "account"),
        Column("sharing", "sharing"),
        Column("shared_at", "shared", "since"),
    ),
    {
        "lender inactive": "bad",
        "no key to lend": "bad",
        "stopped": "bad",
        "ok": "ok",
        "borrower inactive": "off",
    },
)

_POSITIONS: Final = View(
    "positions",
    "Positions",
    "position",
    "Open positions, with the exposure of their account against its limit.",
    (
        _ACCOUNT,
        _STATE,
        Column("symbol", "symbol"),
        Column("long_exchange", "long", "exchange"),
        Column("short_exchange", "short", "exchange"),
        Column("size_usd", "size, USD", "usd"),
        Column("of_limit", "of limit", "part"),
        Column("exposure_usd", "exposure, USD", "usd", limit="max_exposure_usd"),
        Column("funding_usd", "funding, USD", "usd"),
        Column("opened_at", "opened", "since"),
    ),
    {
        "at its limit": "bad",
        "near its limit": "warn",
        "no account": "warn",
        "open": "ok",
        "closed": "off",
    },
    asked=("closed",),
)

_RELEASES: Final = View(
    "releases",
    "Releases",
    "recipient",
    "Which host received which keys in the last 24 hours, the newest first.",
    (
        _ACCOUNT,
        Column("host", "host", "said"),
        _STATE,
        Column("exchanges", "exchanges", "list"),
        Column("role", "role"),
        Column("purpose", "purpose", "said"),
        Column("times", "times", "number"),
        Column("first_at", "first", "since", wide=True),
        Column("last_at", "last", "since"),
    ),
    {"from the environment": "warn", "released": "ok"},
)

PROBLEMS: Final = View(
    "problems",
    "Problems",
    "problem",
    "What is wrong, or soon will be, and what to do about it; the worst first.",
    (
        _ACCOUNT,
        _EXCHANGE,
        _STATE,
        Column("text", "problem", "prose"),
        Column("hint", "what to do", "prose"),
        Column("since", "since", "since"),
    ),
    {"critical": "bad", "warning": "warn", "notice": "off"},
)
"""The only view that is not a query: the problems are found by `registry.services.problems`."""

HISTORY: Final = View(
    "history",
    "History",
    "event",
    "What was done, and by whom; the newest first.",
    (
        Column("recorded_at", "when", "since"),
        Column("what", "what", "said"),
        Column("actor", "who", "said"),
        Column("reason", "why", "said"),
        Column("position", "event", "number", wide=True),
    ),
    {},
)
"""What an account shows of the log."""

VIEWS: Final[Mapping[str, View]] = {
    view.name: view for view in (_ACCOUNTS, PROBLEMS, _CREDENTIALS, _SHARES, _POSITIONS, _RELEASES)
}
"""The views by name, in the order in which faces offer them."""
