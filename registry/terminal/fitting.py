"""Lays the columns of a view out in the room that a terminal has."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, chop_cells

from registry.services.views.described import Column
from registry.services.views.words import NONE

GAP: Final = 2
_LEAST: Final = {"said": 16, "prose": 16, "list": 12, "account": 16, "exchange": 8, "text": 10}
"""Kinds whose texts may be cut, and the least width that still says something."""
_MOST: Final = 60
_LONG: Final = 50
"""Half of a longer text is the least."""
_NARROW_STATE: Final = 3
_FIRST: Final = ("account", "state")
_WORTH_A_LINE: Final = 6
"""A heading is broken into two lines if that saves more than this."""


@dataclass(frozen=True, slots=True)
class Place:
    """A column on the screen."""

    number: int
    """Its place in the view."""
    column: Column
    width: int
    heading: tuple[str, ...]
    """One line or two."""
    is_cut: bool
    """Whether some of its texts do not fit."""


def fit(
    columns: Sequence[Column],
    cells: Sequence[Sequence[str]],
    room: int,
    without: Collection[int] = (),
) -> list[Place]:
    """The columns that fit, in their order, with their widths.

    Account and state come first, then the others from the left, then what is `wide`, and last
    what is empty. Texts get what is left over.
    """
    longest = [max((cell_len(row[n]) for row in cells), default=0) for n in range(len(columns))]
    wanted = [_wanted(column, width) for column, width in zip(columns, longest, strict=True)]
    order = sorted(
        (n for n in range(len(columns)) if n not in without),
        key=lambda n: _rank(columns[n], all(row[n] == NONE for row in cells), n),
    )
    widths, left = _chosen(columns, wanted, order, room + GAP)
    for number in sorted(widths):
        more = min(left, max(0, wanted[number] - widths[number]))
        widths[number] += more
        left -= more
    return [
        Place(n, columns[n], width, _heading(columns[n].heading, width), longest[n] > width)
        for n, width in sorted(widths.items())
    ]


def _chosen(
    columns: Sequence[Column], wanted: Sequence[int], order: Sequence[int], left: int
) -> tuple[dict[int, int], int]:
    """Column -> its least width, and what is left."""
    widths: dict[int, int] = {}
    for number in order:
        column = columns[number]
        width = min(_least(column, wanted[number]), wanted[number])
        if column.name in _FIRST:  # a very narrow terminal has them too
            reserved = GAP + _NARROW_STATE if column.kind == "account" else 0
            width = max(0, min(width, left - GAP - reserved))
        if width and width + GAP <= left:
            widths[number] = width
            left -= width + GAP
    return widths, left


def _least(column: Column, wanted: int) -> int:
    least = _LEAST.get(column.kind, wanted)
    return wanted // 2 if column.kind in ("said", "prose") and wanted >= _LONG else least


def _rank(column: Column, is_empty: bool, number: int) -> tuple[int, int]:
    if column.name in _FIRST:
        return 0, number
    return (3 if is_empty else 2 if column.wide else 1), number


def _wanted(column: Column, longest: int) -> int:
    return min(_MOST, max(longest, *map(len, _heading(column.heading, longest + _WORTH_A_LINE))))


def _heading(text: str, width: int) -> tuple[str, ...]:
    """A heading on one line if it fits, else on two, broken at the best space."""
    if len(text) <= width or " " not in text:
        return (text,)
    words = text.split()
    breaks = [(" ".join(words[:n]), " ".join(words[n:])) for n in range(1, len(words))]
    return min(breaks, key=lambda lines: max(map(len, lines)))


def cut(text: str, width: int, *, right: bool = False) -> str:
    """The text in exactly so many cells, also of wide letters; `…` says that it is cut."""
    length = cell_len(text)
    if length > width:
        first = chop_cells(text, width - 1)[0] if width > 1 else ""
        text = f"{first}…"[: max(0, width)]
        length = cell_len(text)
    space = " " * (width - length)
    return space + text if right else text + space
