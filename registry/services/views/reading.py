"""Reads the views: one page of rows, filtered by the database."""

import datetime as dt
import re
from dataclasses import dataclass, replace
from typing import Any, Final

from psycopg import sql

from registry.clock import now
from registry.database.connection import Connection, Database, registry_errors
from registry.database.queries import load_queries, read_rows
from registry.database.snapshot import one_moment
from registry.errors import InvalidInput
from registry.events.credentials import DEAD
from registry.execution.lookup import account_not_found
from registry.log.reading import events_before, log_size
from registry.plurals import plural
from registry.services.problems.finding import found_in
from registry.services.problems.kinds import DUE, Problem
from registry.services.reading.describing import describe
from registry.services.reading.history import HistoryFilter, history
from registry.services.views.described import ATTENTION, HISTORY, PROBLEMS, VIEWS, View
from registry.services.views.words import why
from registry.shown import shown

_QUERIES = load_queries("registry.services.views", "views.sql")
RECENT: Final = dt.timedelta(hours=24)
_MOST: Final = 50_000
"""How much of the log's end a view reads at most."""
SIZE: Final = 50
_LARGEST: Final = 500
_LONGEST: Final = 200
FILTERS: Final = ("account", "exchange", "state", "text")
"""What a filter may name."""

Row = dict[str, Any]
"""Column -> value; times carry their zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which rows of a view, and which page of them."""

    account: str | None = None
    """A name, or a pattern such as `grid_*`; a share has two accounts."""
    exchange: str | None = None
    state: str | None = None
    """A state of the view, `attention`, or `all`."""
    text: str | None = None
    """A part of a name or of another text, in any case of its letters."""
    page: int = 1
    size: int = SIZE

    def __post_init__(self) -> None:
        for name in FILTERS:
            value = getattr(self, name)
            if value is not None and (len(value) > _LONGEST or "\0" in value):
                raise InvalidInput(f"the filter {name} is longer than {_LONGEST} letters")
        if not 1 <= self.size <= _LARGEST or not 1 <= self.page <= _MOST:
            raise InvalidInput(f"a page has 1 to {_LARGEST} rows, and its number is 1 or more")

    @property
    def given(self) -> dict[str, str]:
        """What filters, by name."""
        return {name: value for name in FILTERS if (value := getattr(self, name))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A page of a view."""

    view: View
    filter: Filter
    rows: list[Row]
    total: int
    """The number of all rows that fit the filter."""
    attention: int
    """How many of these somebody should look at."""
    read_at: dt.datetime

    @property
    def pages(self) -> int:
        """The number of pages, at least 1."""
        return max(1, -(-self.total // self.filter.size))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPicture:
    """An account with all that belongs to it."""

    facts: Row
    """Its own row, with its roles, and its row of the view of accounts."""
    problems: Rows
    credentials: Rows
    shares: Rows
    positions: Rows
    releases: Rows


def view_of(name: str) -> View:
    """The view of this name.

    Raises:
        InvalidInput: there is none.
    """
    if name not in VIEWS:
        raise InvalidInput(f"there is no view {shown(name)}", hint=f"It is {', '.join(VIEWS)}.")
    return VIEWS[name]


def read(database: Database, name: str, wanted: Filter) -> Rows:
    """A page of a view; a page beyond the last one is the first.

    Raises:
        InvalidInput: there is no such view or state.
    """
    view = view_of(name)
    reads = _read_problems if view is PROBLEMS else _read
    with database.connection() as connection, registry_errors(connection):
        found = reads(connection, view, wanted, _pattern(wanted.account))
        if not found.rows and wanted.page > 1:
            found = reads(connection, view, replace(wanted, page=1), _pattern(wanted.account))
        return found


def picture(database: Database, account: str, size: int = SIZE) -> AccountPicture:
    """An account with the first rows of each view that are about it.

    Raises:
        AccountNotFound: no account has this name.
    """
    exactly, wanted = _escaped(account), Filter(state="all", size=size)
    with database.connection() as connection, registry_errors(connection):
        problems = _read_problems(connection, PROBLEMS, wanted, exactly)
        with one_moment(connection):
            own = read_rows(connection, _QUERIES["account"], {"account_name": account})
            if not own:
                raise account_not_found(connection, account)
            views = {
                name: _read(connection, view, wanted, exactly)
                for name, view in VIEWS.items()
                if view is not PROBLEMS
            }
    accounts = views.pop("accounts")
    return AccountPicture(facts={**accounts.rows[0], **own[0]}, problems=problems, **views)


def happened(database: Database, account: str, size: int = SIZE) -> Rows:
    """The newest events of an account, the newest first.

    Raises:
        AccountNotFound: no account has this name, or had it.
    """
    events = history(database, HistoryFilter(account=account, limit=size))
    rows = [{**event, "what": describe(event)} for event in reversed(events)]
    return Rows(
        view=HISTORY,
        filter=Filter(account=account, size=size),
        rows=rows,
        total=len(rows),
        attention=0,
        read_at=now(),
    )


def releases_by_hour(database: Database) -> list[tuple[dt.datetime, int]]:
    """The number of releases in each of the last 24 hours, the oldest first."""
    with database.connection() as connection, registry_errors(connection):
        parameters = {"since": _since(connection)}
        return connection.execute(_QUERIES["releases_by_hour"], parameters).fetchall()


def exchanges(database: Database) -> list[str]:
    """The exchanges for which there are credentials, shares or positions."""
    with database.connection() as connection, registry_errors(connection):
        return [name for (name,) in connection.execute(_QUERIES["exchanges"])]


def _states(view: View, wanted: Filter) -> list[str]:
    try:
        return view.states_of(wanted.state)
    except KeyError:
        raise InvalidInput(
            f"{view.thing}s have no state {shown(wanted.state)}",
            hint=f"It is {', '.join(view.choices)}.",
        ) from None


def _read_problems(connection: Connection, view: View, wanted: Filter, pattern: str | None) -> Rows:
    states, moment = _states(view, wanted), now()
    rows = [
        {
            "account": problem.account,
            "exchange": problem.exchange,
            "state": problem.severity,
            "text": problem.text,
            "hint": problem.hint,
            "since": problem.since,
            "kind": problem.kind,
        }
        for problem in found_in(connection)
        if problem.severity in states and _fits(problem, wanted, pattern)
    ]
    start = (wanted.page - 1) * wanted.size
    return Rows(
        view=view,
        filter=wanted,
        rows=rows[start : start + wanted.size],
        total=len(rows),
        attention=sum(row["state"] in view.states_of(ATTENTION) for row in rows),
        read_at=moment,
    )


def _fits(problem: Problem, wanted: Filter, pattern: str | None) -> bool:
    names = [name for name in (problem.account, *problem.also) if name is not None]
    texts = "\n".join([*names, problem.exchange or "", problem.text]).lower()
    return (
        (pattern is None or any(_like(name, pattern) for name in names))
        and wanted.exchange in (None, "", problem.exchange)
        and (wanted.text or "").lower() in texts
    )


def _like(name: str, pattern: str) -> bool:
    """The LIKE of the database, for rows that it does not filter."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    forms = {"%": ".*", "_": "."}
    expression = "".join(forms.get(part, re.escape(part[-1])) for part in parts)
    return re.fullmatch(expression, name, re.DOTALL) is not None


def _read(connection: Connection, view: View, wanted: Filter, pattern: str | None) -> Rows:
    states, moment = _states(view, wanted), now()
    parameters = {
        "account": pattern,
        "exchange": wanted.exchange or None,
        "states": states,
        "attention": view.states_of(ATTENTION),
        "text": wanted.text or None,
        "size": wanted.size,
        "skipped": (wanted.page - 1) * wanted.size,
        "due": DUE,
        "dead": list(DEAD),
        "since": _since(connection) if view.name == "releases" else 0,
    }
    rows = read_rows(connection, _statement(view), parameters)
    total, attention = (rows[0]["total"], rows[0]["attention"]) if rows else (0, 0)
    if view.name == "accounts":
        for row in rows:
            row["why"] = why(row, moment)
    return Rows(
        view=view, filter=wanted, rows=rows, total=total, attention=attention, read_at=moment
    )


def _statement(view: View) -> sql.Composed:
    urgent_first = "array_position(%(states)s::text[], v.state), v.account, v.place"
    order = "v.last_at DESC, v.account" if view.name == "releases" else urgent_first
    return sql.SQL(_text("page")).format(
        view=sql.SQL(_text(view.name)).format(checked=sql.SQL(_text("checked"))),
        more=sql.SQL(_text(f"more_{view.name}") if f"more_{view.name}" in _QUERIES else ""),
        order=sql.SQL(order),
    )


def _text(name: str) -> Any:
    # The driver's types accept only literal strings as SQL; these texts come from a file.
    return _QUERIES[name].decode()


def _since(connection: Connection) -> int:
    """The position from which the log is recent, and not too long to be grouped."""
    return max(events_before(connection, now() - RECENT), log_size(connection) - _MOST)


def _pattern(name: str | None) -> str | None:
    """A pattern of LIKE for a name, or for a pattern such as `grid_*`."""
    return _escaped(name).replace("*", "%").replace("?", "_") if name else None


def _escaped(name: str) -> str:
    return "".join(f"\\{c}" if c in "\\%_" else c for c in name)


def none_fits(found: Rows, total: int) -> str:
    """Why there are no rows: what was asked for, and how many there are without it."""
    thing = found.view.thing
    given = ", ".join(f"{name} {shown(value)}" for name, value in found.filter.given.items())
    if not total or not given:
        return f"There are no {thing}s."
    are = "is" if total == 1 else "are"
    return f"No {thing} fits {given}. There {are} {total:,} {plural(total, thing)} without filters."
