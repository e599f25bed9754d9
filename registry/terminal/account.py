"""The page of one account: what it is, and what belongs to it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from registry.plain import show, visible
from registry.plurals import counted
from registry.services.views.described import HISTORY, VIEWS, Column, View
from registry.services.views.reading import AccountPicture, Row, Rows
from registry.services.views.words import in_words
from registry.terminal.keys import Keys
from registry.terminal.page import Page
from registry.terminal.status import Status
from registry.terminal.table import MARKS, WholeTable
from registry.terminal.title import Title

if TYPE_CHECKING:
    from registry.registry import Registry

_ACCOUNTS: Final = VIEWS["accounts"]
_FACTS: Final = (
    *(c for c in _ACCOUNTS.columns if c.name not in ("account", "state", "why")),
    Column("wallet", "wallet", "said"),
    Column("roles", "roles", "list"),
    Column("allowed_exchanges", "allowed exchanges", "list"),
    Column("created_at", "created", "since"),
)
_SECTIONS: Final = (*(v for v in VIEWS.values() if v is not _ACCOUNTS), HISTORY)
_KEYS: Final = (
    ("Esc", "back", "screen.back"),
    ("q", "leave", "app.quit"),
    ("up, down", "scroll", "screen.nothing"),
    ("?", "help", "app.help"),
)


class Account(Page):
    """An account with its problems, credentials, shares, positions, releases and history."""

    DEFAULT_CSS = """
    Account {
        & .facts { padding: 1 1 0 1; height: auto; }
        & .section { padding: 1 1 0 1; height: auto; display: none; }
        & .none { padding: 1 1; height: auto; color: $dimmed; }
        & WholeTable { display: none; }
        & .there { display: block; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape,backspace,left", "back")]

    def __init__(self, registry: "Registry", account: str) -> None:
        super().__init__()
        self._source = registry
        self._account = account

    def compose(self) -> ComposeResult:
        """See `Screen`."""
        yield Title()
        with VerticalScroll():
            yield Static(classes="facts")
            for view in _SECTIONS:
                yield Static(classes="section", id=f"title-{view.name}")
                yield WholeTable(id=f"table-{view.name}")
            yield Static(classes="none")
        yield Status()
        yield Keys(_KEYS)

    def on_mount(self) -> None:
        """Lets the keys scroll."""
        self.query_one(Title).show(None, visible(self._account))
        self.query_one(VerticalScroll).focus()

    def request(self) -> Callable[[], Any]:
        """See `Page`."""
        views, account = self._source.views, self._account
        return lambda: (views.account(account), views.history(account))

    def take(self, value: tuple[AccountPicture, Rows]) -> None:
        """See `Page`."""
        picture, history = value
        read_at = picture.problems.read_at
        self.query_one(Title).show(read_at, visible(self._account))
        self.query_one(".facts", Static).update(_facts(picture.facts, read_at))
        counts, nothing = list[str](), list[str]()
        for view in _SECTIONS:
            rows = history if view is HISTORY else getattr(picture, view.name)
            self._section(view, rows)
            if rows.rows:
                counts.append(counted(rows.total, view.thing))
            else:
                nothing.append(f"{view.thing}s")
        self.query_one(".none", Static).update(
            Content(f"No {', no '.join(nothing)}." if nothing else "")
        )
        self.query_one(Status).say(" · ".join(counts))

    def _section(self, view: View, found: Rows) -> None:
        title = self.query_one(f"#title-{view.name}", Static)
        table = self.query_one(f"#table-{view.name}", WholeTable)
        for widget in (title, table):
            widget.set_class(bool(found.rows), "there")
        count = f"{len(found.rows):,} of {found.total:,}" if found.pages > 1 else f"{found.total:,}"
        title.update(Content.assemble((f"{view.title} ", "bold"), (count, "$dimmed")))
        own = tuple(c for c in view.columns if c.name != "account" or view.name == "shares")
        table.show(replace(view, columns=own), found.rows, found.read_at)

    def action_back(self) -> None:
        """Goes back to the fleet."""
        self.dismiss()


def _facts(row: Row, now: Any) -> Content:
    state = str(row["state"])
    urgency = _ACCOUNTS.states[state]
    style = {"bad": "bold $error", "warn": "$warning", "ok": "$success", "off": "$dimmed"}[urgency]
    parts: list[tuple[str, str] | str] = [(f"{MARKS[urgency]} {state}", style)]
    if row["why"]:
        parts += [": ", in_words(_column("why"), row, now)]
    parts += ["\n"]
    for number, (heading, text) in enumerate(_said(row, now)):
        parts += ["  ·  "] if number else []
        parts += [(f"{heading}: ", "$dimmed"), text]
    return Content.assemble(*parts)


def _said(row: Row, now: Any) -> Iterator[tuple[str, str]]:
    for column in _FACTS:
        if row[column.name] not in (None, "", []):
            yield column.heading, in_words(column, row, now)
    yield "id", show(row["id"])


def _column(name: str) -> Column:
    return next(column for column in _ACCOUNTS.columns if column.name == name)
