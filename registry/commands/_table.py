"""Tables for a terminal: one line a row where it fits; no word, id or time is ever broken."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

_GAP: Final = "  "
_NO_BREAK: Final = "\xa0"
_TIME: Final = re.compile(r"(?<=\d\d-\d\d) (?=\d\d:\d\d)")


def laid_out(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, under: Collection[str] = ()
) -> Iterator[str]:
    """The lines of a table, the first of them its head.

    A row is one line if all rows fit. Otherwise the columns in `under` follow beneath it, without
    those that are empty (-). If that is still too wide, each cell has a line of its own.
    """
    beside = [number for number, column in enumerate(columns) if column not in under]
    for shown in (range(len(columns)), beside):
        lines = _aligned([[row[number] for number in shown] for row in (columns, *rows)])
        if max(map(cells, lines)) <= width:
            break
    else:
        yield ""
        for row in rows:
            yield from pairs(zip(columns, row, strict=True), width)
            yield ""
        return
    yield lines[0]
    for line, row in zip(lines[1:], rows, strict=True):
        yield line
        if shown is beside:
            told = zip(columns, row, strict=True)
            for name, cell in told:
                if name in under and cell != "-":
                    yield from _folded(f"    {name}: ", cell, width)


def pairs(told: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    """Names with their values, one pair a line."""
    told = list(told)
    widest = max(cells(name) for name, _ in told)
    for name, value in told:
        yield from _folded(_padded(name, widest) + _GAP, value, width)


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    return [_GAP.join(map(_padded, row, widths)).rstrip() for row in rows]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


def _folded(before: str, text: str, width: int) -> Iterator[str]:
    """A text behind a name, broken between words, its further lines indented."""
    line, indent, empty = before, " " * cells(before), True
    for word in _TIME.sub(_NO_BREAK, text).split(" "):
        if not empty and cells(line) + 1 + cells(word) > width:
            yield line.replace(_NO_BREAK, " ")
            line, empty = indent, True
        line += word if empty else f" {word}"
        empty = False
    yield line.replace(_NO_BREAK, " ").rstrip()
