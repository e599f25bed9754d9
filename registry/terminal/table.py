"""One page of a view: `Table` shows it, and in `PageTable` keys and mouse choose a row."""

import datetime as dt
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from registry.services.views.described import Column, Urgency, View
from registry.services.views.words import NONE, in_words
from registry.terminal.fitting import GAP, Place, cut, fit

MARKS: Final[Mapping[Urgency, str]] = {"bad": "■", "warn": "▲", "ok": "●", "off": "○"}
"""Urgency -> its mark: another form each, so that no colour is needed."""
_BAR: Final = 5
_NEAR: Final = 0.8

Row = Mapping[str, Any]


class Table(Widget):
    """Headings and rows; the columns that do not fit are left out."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"table--{name}" for name in ("heading", "bad", "warn", "ok", "off", "row", "under")),
    }
    DEFAULT_CSS = """
    Table {
        height: 1fr;
        & > .table--heading { color: $primary; text-style: bold; }
        & > .table--bad { color: $error; text-style: bold; }
        & > .table--warn { color: $warning; }
        & > .table--ok { color: $success; }
        & > .table--off { color: $dimmed; }
        & > .table--under { color: $foreground; }
        & > .table--row { color: $foreground; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.rows: Sequence[Row] = ()
        self.places: list[Place] = []
        self._view: View | None = None
        self._cells: list[list[str]] = []
        self._message = ""
        self._lines: list[tuple[int, str | None]] = []
        """Each is the number of a row, and None for its cells or else a text below them."""

    def show(self, view: View, rows: Sequence[Row], now: dt.datetime, message: str = "") -> None:
        """Shows rows; the message is shown where there are none."""
        self._view, self.rows, self._message = view, rows, message
        self._cells = [
            [_cell(view, number, row, now) for number in range(len(view.columns))] for row in rows
        ]
        self._lay_out()

    def _lay_out(self) -> None:
        columns = () if self._view is None else self._view.columns
        self.places = fit(columns, self._cells, self.size.width - 2)
        self._lines = [(number, None) for number in range(len(self.rows))]
        self.refresh()

    def on_resize(self) -> None:
        """Lays the columns out anew."""
        self._lay_out()

    @property
    def heading_height(self) -> int:
        """The lines of the headings."""
        return max((len(place.heading) for place in self.places), default=1)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """See `Widget`: where its height is that of its rows."""
        return self.heading_height + max(1, len(self._lines))

    def render_line(self, y: int) -> Strip:
        """See `Widget`."""
        width, height = self.size.width, self.heading_height
        base = self.rich_style
        if not self.rows:
            text = "" if y != 1 else f" {self._message}"
            return Strip([Segment(cut(text, width), base + self._style("off"))], width)
        if y < height:
            return self._line(self._headings(y - height), base + self._style("heading"), width)
        if y - height >= len(self._lines):
            return Strip.blank(width, base)
        number, under = self._lines[y - height]
        if under is not None:
            return self._line([(under, None)], base + self._style("under"), width)
        return self._line(self._row(number), base + self._row_style(number), width)

    def _line(self, parts: list[tuple[str, Style | None]], base: Style, width: int) -> Strip:
        segments = [Segment(" ", base)]
        for text, style in parts:
            segments.append(Segment(text, base if style is None else base + style))
        return Strip(segments).adjust_cell_length(width, base).simplify()

    def _headings(self, line: int) -> list[tuple[str, Style | None]]:
        texts: list[tuple[str, Style | None]] = []
        for place in self.places:
            # A heading of one line stands on the lower of two.
            text = place.heading[line] if -line <= len(place.heading) else ""
            shown = cut(text, place.width, right=place.column.is_number)
            texts.append((shown + " " * GAP, None))
        return texts

    def _row(self, number: int) -> list[tuple[str, Style | None]]:
        cells, row = self._cells[number], self.rows[number]
        return [
            (
                cut(cells[place.number], place.width, right=place.column.is_number) + " " * GAP,
                self._cell_style(place, row),
            )
            for place in self.places
        ]

    def _cell_style(self, place: Place, row: Row) -> Style | None:
        column = place.column
        if column.kind == "state" and self._view is not None:
            return self._style(self._view.states.get(row["state"], "off"))
        if column.kind == "part" and row[column.name] is not None and row[column.name] >= _NEAR:
            return self._style("bad" if row[column.name] >= 1 else "warn")
        return None

    def _row_style(self, number: int) -> Style:
        view = self._view
        state = self.rows[number].get("state")
        is_off = view is not None and state is not None and view.states.get(state) == "off"
        return self._style("off" if is_off else "row")

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"table--{name}", partial=True)


class WholeTable(Table):
    """A table as high as its rows; what does not fit stands below each row."""

    DEFAULT_CSS = "WholeTable { height: auto; }"

    def _lay_out(self) -> None:
        super()._lay_out()
        if self._view is None or not self.size.width:
            return
        columns, room = self._view.columns, self.size.width - 2
        below = {n for n in range(len(columns)) if self._is_missing(n)}
        self.places = fit(columns, self._cells, room, without=below)
        self._lines = []
        for number, cells in enumerate(self._cells):
            self._lines.append((number, None))
            for n in sorted(below):
                if cells[n] != NONE:
                    self._lines += [(number, line) for line in _below(columns[n], cells[n], room)]
        self.refresh(layout=True)

    def _is_missing(self, number: int) -> bool:
        place = next((place for place in self.places if place.number == number), None)
        return place is None or (place.is_cut and place.column.name != "state")


class PageTable(Table, can_focus=True):
    """A table with a chosen row."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--chosen"}
    DEFAULT_CSS = """
    PageTable {
        & > .table--chosen { background: $chosen; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("up,k", "move(-1)"),
        ("down,j", "move(1)"),
        ("home,g", "move(-10000)"),
        ("end,G", "move(10000)"),
        ("enter", "open"),
    ]

    class Chosen(Message):
        """Another row was chosen, or its texts have changed."""

    class Opened(Message):
        """A row was opened."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    class Left(Message):
        """The cursor went over the end of the page, or before its beginning."""

        def __init__(self, pages: int) -> None:
            super().__init__()
            self.pages = pages

    chosen = 0
    """The number of the chosen row."""

    @property
    def row(self) -> Row | None:
        """The chosen row."""
        return self.rows[self.chosen] if self.chosen < len(self.rows) else None

    @property
    def room(self) -> int:
        """How many rows a page has."""
        return max(1, self.size.height - self.heading_height)

    def show(self, view: View, rows: Sequence[Row], now: dt.datetime, message: str = "") -> None:
        """Shows rows; the chosen one stays chosen if it is still there."""
        before = None if self.row is None or view is not self._view else _identity(view, self.row)
        super().show(view, rows, now, message)
        same = [n for n, row in enumerate(rows) if _identity(view, row) == before]
        nearest = min(same, key=lambda n: abs(n - self.chosen), default=self.chosen)
        self._choose(nearest)

    def hidden(self) -> list[tuple[str, str]]:
        """What of the chosen row is left out or cut: heading and text."""
        if self.row is None or self._view is None:
            return []
        whole = {place.number for place in self.places if not place.is_cut}
        return [
            (column.heading, self._cells[self.chosen][number])
            for number, column in enumerate(self._view.columns)
            if number not in whole and self.row[column.name] not in (None, "", [])
        ]

    def choose_edge(self, pages: int) -> None:
        """Chooses the first row, or the last one if the page before was wanted."""
        self._choose(0 if pages >= 0 else len(self.rows) - 1)

    def _choose(self, number: int) -> None:
        self.chosen = max(0, min(number, len(self.rows) - 1))
        self.refresh()
        self.post_message(self.Chosen())

    def action_move(self, rows: int) -> None:
        """Chooses another row, also over the end of the page."""
        number = self.chosen + rows
        if abs(rows) == 1 and not 0 <= number < len(self.rows):
            self.post_message(self.Left(rows))
        else:
            self._choose(number)

    def action_open(self) -> None:
        """Opens the chosen row."""
        if self.row is not None:
            self.post_message(self.Opened(self.row))

    def on_click(self, event: events.Click) -> None:
        """Chooses a row; a second click opens it."""
        number = event.y - self.heading_height
        if not 0 <= number < len(self.rows):
            return
        is_second = event.chain > 1 and number == self.chosen
        self._choose(number)
        if is_second:
            self.action_open()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Moves on."""
        event.stop()
        self.action_move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Moves back."""
        event.stop()
        self.action_move(-1)

    def _row_style(self, number: int) -> Style:
        style = super()._row_style(number)
        if number != self.chosen or not self.rows:
            return style
        return style + self._style("chosen") + Style(reverse=self.app.no_color)


def _identity(view: View, row: Row) -> tuple[object, ...]:
    """What of a row stays the same while its state and its numbers change."""
    return tuple(
        row[column.name]
        for column in view.columns
        if column.kind in ("account", "exchange", "text")
    )


def _below(column: Column, text: str, room: int) -> list[str]:
    """The lines of a text below its row."""
    lines = textwrap.wrap(f"{column.heading}: {text}", max(8, room - 2))
    return [f"  {line}" for line in lines]


def _cell(view: View, number: int, row: Row, now: dt.datetime) -> str:
    column = view.columns[number]
    words = in_words(column, row, now)
    if column.kind == "state":
        return f"{MARKS[view.states.get(words, 'off')]} {words}"
    if column.kind == "part" and row[column.name] is not None:
        return f"{bar(float(row[column.name]))} {words:>5}"
    return words


def bar(part: float) -> str:
    """A part of a whole as a line of at most `_BAR` cells."""
    full, half = divmod(round(max(0.0, min(part, 1.0)) * _BAR * 2), 2)
    return ("━" * full + "╸" * half).ljust(_BAR)
