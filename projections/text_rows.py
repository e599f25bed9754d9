"""Rows as lines of PostgreSQL's COPY text, the form in which whole tables are compared.

https://www.postgresql.org/docs/current/sql-copy.html (text format)
"""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from projections.rows import Row, Table

NULL: Final = "\\N"

_ESCAPES: Final = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v", "\\": "\\"}
_PLAIN: Final = {code: character for character, code in _ESCAPES.items()}
_ESCAPED: Final = re.compile(r"\\(.)")
_SPECIAL: Final = re.compile(r"[\b\f\n\r\t\v\\]")


def escape(text: str) -> str:
    """A value as it stands between the tabs of a line."""
    if text.isprintable() and "\\" not in text:
        return text
    return _SPECIAL.sub(lambda match: "\\" + _ESCAPES[match[0]], text)


def unescape(text: str) -> str:
    """The value that stands between the tabs of a line."""
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda match: _PLAIN.get(match[1], match[1]), text)


def line_of(table: Table, row: Row) -> str:
    """The row as a line, without the line's end.

    It is the line that COPY gives, but for values that PostgreSQL writes in another way
    than the log: whoever compares asks PostgreSQL for those (see `drift`).
    """
    get = row.get
    texts = []
    for column, writer in _columns(table):
        value = get(column)
        if value is None:
            texts.append(NULL)
            continue
        text = value if writer is None else writer(value)
        # Nearly all values; the same as `escape`, without the call.
        texts.append(text if text.isprintable() and "\\" not in text else escape(text))
    return "\t".join(texts)


def values_of(table: Table, row: Row) -> list[str | None]:
    """The row's values as texts that PostgreSQL can cast to the columns' types."""
    return [
        value if value is None or writer is None else writer(value)
        for column, writer in _columns(table)
        for value in (row.get(column),)
    ]


def split_line(line: str) -> list[str | None]:
    """The values of a line."""
    return [None if text == NULL else unescape(text) for text in line.split("\t")]


def as_in_copy(table: Table, prefix: str) -> str:
    """A list of SQL expressions: the texts that COPY writes for the columns."""
    return ", ".join(
        f"CASE {prefix}{column}::boolean WHEN TRUE THEN 't' WHEN FALSE THEN 'f' END"
        if kind == "boolean"
        else f"{prefix}{column}::{kind}::text"
        for column, kind in table.columns.items()
    )


def _boolean(value: Any) -> str:
    return "t" if value else "f"


def _jsonb(value: Any) -> str:
    # As jsonb is printed: shorter keys first, then by their bytes; a space after , and :
    if isinstance(value, dict):
        if not value:
            return "{}"
        encoded = sorted((len(key.encode()), key.encode(), key) for key in value)
        parts = (f"{_scalar(key)}: {_jsonb(value[key])}" for _, _, key in encoded)
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_jsonb(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    return orjson.dumps(value).decode()


_WRITERS: Final[dict[str, Callable[[Any], str]]] = {
    "boolean": _boolean,
    "jsonb": _jsonb,
    "integer": str,
}


@functools.cache
def _columns(table: Table) -> tuple[tuple[str, Callable[[Any], str] | None], ...]:
    """Each column with what writes its values, or None where they are text already."""
    return tuple((column, _WRITERS.get(kind)) for column, kind in table.columns.items())


def join_lines(lines: Sequence[str]) -> str:
    """Lines as a block of COPY's input."""
    return "".join(line + "\n" for line in lines)
