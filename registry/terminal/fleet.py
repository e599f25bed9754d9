"""The page of all accounts: a view, filtered, of which a page fills the terminal."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from registry.errors import RegistryError
from registry.services.views.described import View
from registry.services.views.reading import Rows, none_fits
from registry.terminal.detail import Detail
from registry.terminal.filter_line import FilterLine
from registry.terminal.filtering import Given, parse, typed
from registry.terminal.keys import Keys
from registry.terminal.page import Page
from registry.terminal.status import Status
from registry.terminal.table import PageTable
from registry.terminal.tabs import ORDER, Tabs
from registry.terminal.title import Title

if TYPE_CHECKING:
    from registry.registry import Registry

_KEYS: Final = (
    ("q", "leave", "app.quit"),
    ("/", "filter", "screen.filter"),
    ("Enter", "account", "screen.open"),
    ("?", "help", "app.help"),
    ("n", "next page", "screen.next_page"),
    ("p", "page before", "screen.page_before"),
    ("1-6", "views", "screen.next_view"),
)
_MOST: Final = 500


class Fleet(Page):
    """A view of all accounts."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # At once: keys that come together with it, as over a slow line, belong to the filter.
        Binding("slash", "filter", priority=True),
        ("escape", "clear"),
        ("n,pagedown", "next_page"),
        ("p,pageup", "page_before"),
        ("right,l", "next_view"),
        ("left,h", "next_view(-1)"),
        *((str(number), f"view({number})") for number in range(1, len(ORDER) + 1)),
    ]

    def __init__(
        self, registry: "Registry", view: View, given: Given, exchanges: Sequence[str]
    ) -> None:
        super().__init__()
        self._source = registry
        self._view = view
        self._given = given
        self._page = 1
        self._pages = 1
        self._edge = 0
        """Which row to choose on the page that is read: the last one if it is -1."""
        self._exchanges = exchanges

    def compose(self) -> ComposeResult:
        """See `Screen`."""
        yield Title()
        yield Tabs()
        yield PageTable()
        yield Detail()
        yield FilterLine(self._choices)
        yield Status()
        yield Keys(_KEYS)

    def on_mount(self) -> None:
        """Begins with the keys on the table."""
        self.query_one(Tabs).choose(self._view)
        self._table.focus()

    def on_resize(self) -> None:
        """Reads as many rows as fit."""
        self.set_class(self.size.height < 16, "low")  # noqa: PLR2004 - without the detail
        self.app.call_later(self.app.read)  # type: ignore[attr-defined]

    @property
    def _table(self) -> PageTable:
        return self.query_one(PageTable)

    # -------------------------------------------------------------------- reading

    def request(self) -> Callable[[], Any]:
        """See `Page`."""
        views, view, given, page = self._source.views, self._view, self._given, self._page
        size = min(self._table.room, _MOST)

        def read() -> tuple[View, Rows, str]:
            found = views.read(view.name, **given, page=page, size=size)
            without = 0 if found.rows or not given else views.read(view.name, size=1).total
            return view, found, "" if found.rows else none_fits(found, without)

        return read

    def take(self, value: tuple[View, Rows, str]) -> None:
        """See `Page`."""
        view, found, message = value
        if view is not self._view:
            return
        self._page, self._pages = found.filter.page, found.pages
        self._table.show(view, found.rows, found.read_at, message)
        if self._edge:
            self._table.choose_edge(self._edge)
            self._edge = 0
        self.query_one(Title).show(found.read_at)
        self.query_one(Status).counts(found)
        if len(found.rows) > self._table.room:  # its headings turned out to need two lines
            self.app.call_later(self.app.read)  # type: ignore[attr-defined]

    def fail(self, error: RegistryError) -> None:
        """See `Page`."""
        self._edge = 0
        super().fail(error)

    def _choices(self, name: str) -> Sequence[str]:
        match name:
            case "state":
                return self._view.choices
            case "exchange":
                return self._exchanges
            case _:
                return [row["account"] for row in self._table.rows if row["account"]]

    def _read(self) -> None:
        self.app.read()  # type: ignore[attr-defined]

    # -------------------------------------------------------------------- keys and mouse

    def action_view(self, number: int) -> None:
        """Shows another view, with the same filter as far as it has a meaning there."""
        self._view, self._page = ORDER[number - 1], 1
        if self._given.get("state") not in (None, *self._view.choices):
            self._given = {n: value for n, value in self._given.items() if n != "state"}
        self.query_one(Tabs).choose(self._view)
        self._edge = 1
        self._read()

    def action_next_view(self, step: int = 1) -> None:
        """Shows the view beside it."""
        self.action_view((ORDER.index(self._view) + step) % len(ORDER) + 1)

    def action_next_page(self) -> None:
        """Shows the next page."""
        self._turn(1, 1)

    def action_page_before(self) -> None:
        """Shows the page before, from its first row."""
        self._turn(-1, 1)

    def _turn(self, pages: int, edge: int) -> None:
        page = self._page + pages
        if 1 <= page <= self._pages:
            self._page, self._edge = page, edge
            self._read()

    @on(PageTable.Left)
    def _turn_over(self, event: PageTable.Left) -> None:
        self._turn(event.pages, event.pages)

    @on(PageTable.Chosen)
    def _show_detail(self) -> None:
        self.query_one(Detail).show(self._table)

    def action_open(self) -> None:
        """Shows the account of the chosen row."""
        self._table.action_open()

    @on(PageTable.Opened)
    def _open(self, event: PageTable.Opened) -> None:
        from registry.terminal.account import Account

        if event.row["account"] is None:
            self.query_one(Status).say("This row is of no account.")
        else:
            self.app.push_screen(Account(self._source, event.row["account"]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """See `Screen`: in a filter, a slash is a letter."""
        return action != "filter" or not self.query_one(FilterLine).display

    def action_filter(self) -> None:
        """Lets a filter be typed."""
        self.query_one(FilterLine).open(typed(self._given))

    def action_clear(self) -> None:
        """Shows everything again."""
        if self._given:
            self._filter({})

    @on(FilterLine.Submitted)
    def _filtered(self, event: FilterLine.Submitted) -> None:
        self._filter(parse(event.value))

    @on(FilterLine.Left)
    def _leave_filter(self) -> None:
        self.query_one(FilterLine).close()
        self.set_focus(self._table)

    def _filter(self, given: Given) -> None:
        self._leave_filter()
        self._given, self._page, self._edge = given, 1, 1
        self._read()
