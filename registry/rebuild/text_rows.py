"""Rows as lines of PostgreSQL's COPY text format, in which whole tables are compared.

https://www.postgresql.org/docs/current/sql-copy.html (text format)
"""

import functools
import operator
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
    """Escapes a value for a line."""
    return text if _is_plain(text) else _SPECIAL.sub(lambda match: "\\" + _ESCAPES[match[0]], text)


def _is_plain(text: str) -> bool:
    # Seven searches for one character each are several times faster than one pattern.
    return not (
        "\\" in text
        or "\n" in text
        or "\t" in text
        or "\r" in text
        or "\b" in text
        or "\f" in text
        or "\v" in text
    )


def unescape(text: str) -> str:
    """Reverses `escape`."""
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda match: _PLAIN.get(match[1], match[1]), text)


def line_of(table: Table, row: Row) -> str:
    """The row as a line, without the line's end.

    It equals the line of COPY, except for values that PostgreSQL prints differently than the
    log. A comparison asks PostgreSQL for those (see `registry.rebuild.differences`).
    """
    texts = values_of(table, row)
    # Nearly all rows have nothing to escape: one check for the whole row is enough.
    if _is_plain(" ".join(filter(None, texts))):
        return "\t".join([NULL if text is None else text for text in texts])
    return "\t".join([NULL if text is None else escape(text) for text in texts])


def values_of(table: Table, row: Row) -> list[str | None]:
    """The row's values as texts that PostgreSQL can cast to the column types."""
    get, writers = _columns(table)
    texts: list[str | None] = list(get(row))
    for number, writer in writers:
        value = texts[number]
        if value is not None:
            texts[number] = writer(value)
    return texts


def split_line(line: str) -> list[str | None]:
    """The values of a line."""
    return [None if text == NULL else unescape(text) for text in line.split("\t")]


def as_in_copy(table: Table, prefix: str) -> str:
    """A list of SQL expressions that give the columns in the text form of COPY."""
    return ", ".join(
        f"CASE {prefix}{column}::boolean WHEN TRUE THEN 't' WHEN FALSE THEN 'f' END"
        if kind == "boolean"
        else f"{prefix}{column}::{kind}::text"
        for column, kind in table.columns.items()
    )


def _jsonb(value: Any) -> str:
    # As PostgreSQL prints jsonb: a space after , and :
    kind = type(value)
    if kind is int:
        return str(value)
    if kind is dict:
        members = [name + _jsonb(value[key]) for key, name in _members(tuple(value))]
        return "{" + ", ".join(members) + "}"
    if kind is list:
        return "[" + ", ".join([_jsonb(item) for item in value]) + "]"
    return orjson.dumps(value).decode()


@functools.lru_cache(maxsize=1024)
def _members(keys: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The keys in jsonb's order (by length, then by bytes), each with its JSON text."""
    ordered = sorted(keys, key=lambda key: (len(key.encode()), key.encode()))
    return tuple((key, orjson.dumps(key).decode() + ": ") for key in ordered)


# The writers of booleans and integers fail for values of other types.
_BOOLEANS: Final = {True: "t", False: "f"}
_WRITERS: Final[dict[str, Callable[[Any], str]]] = {
    "boolean": _BOOLEANS.__getitem__,
    "jsonb": _jsonb,
    "integer": int.__repr__,
}


@functools.cache
def _columns(
    table: Table,
) -> tuple[Callable[[Row], tuple[Any, ...]], tuple[tuple[int, Callable[[Any], str]], ...]]:
    """A getter of a row's values, and the writers of columns that are not text."""
    writers = tuple(
        (number, _WRITERS[kind])
        for number, kind in enumerate(table.columns.values())
        if kind in _WRITERS
    )
    return operator.itemgetter(*table.columns), writers


def join_lines(lines: Sequence[str]) -> str:
    """Joins lines to a block of COPY input."""
    return "".join(line + "\n" for line in lines)
