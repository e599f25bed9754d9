"""Rows as lines of COPY, in the format that PostgreSQL itself writes."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.rows import Table
from registry.rebuild.text_rows import (
    as_in_copy,
    escape,
    join_lines,
    line_of,
    split_line,
    unescape,
    values_of,
)

TABLE: Final = Table(
    "t",
    {
        "id": "uuid",
        "name": "varchar",
        "note": "text",
        "is_active": "boolean",
        "number": "integer",
        "data": "jsonb",
    },
)
EMPTY: Final[dict[str, Any]] = dict.fromkeys(TABLE.columns)


def row(**values: Any) -> dict[str, Any]:
    return {**EMPTY, "id": "i", **values}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", ""),
        ("plain \u00fc", "plain \u00fc"),
        ("a\tb", "a\\tb"),
        ("a\nb", "a\\nb"),
        ("a\rb", "a\\rb"),
        ("a\bb", "a\\bb"),
        ("a\fb", "a\\fb"),
        ("a\vb", "a\\vb"),
        ("a\\b", "a\\\\b"),
        ("\\N", "\\\\N"),
        ("\t\n\t", "\\t\\n\\t"),
    ],
)
def test_what_ends_a_value_is_written_as_copy_writes_it(text: str, written: str) -> None:
    assert escape(text) == written
    assert unescape(written) == text


def test_a_backslash_before_anything_else_is_no_escape() -> None:
    assert unescape("\\x\\.") == "x."


@given(st.lists(st.none() | st.text(), min_size=3, max_size=3))
def test_a_line_is_read_again_as_it_was(texts: list[str | None]) -> None:
    table = Table("abc", {"a": "text", "b": "text", "c": "text"})
    line = line_of(table, dict(zip("abc", texts, strict=True)))
    assert split_line(line) == texts
    assert "\n" not in line


def test_a_line_holds_the_values_of_all_columns_in_their_order() -> None:
    full = row(name="n", note="x\ty", is_active=True, number=7, data={"a": [1, None]})
    assert line_of(TABLE, full) == 'i\tn\tx\\ty\tt\t7\t{"a": [1, null]}'
    assert line_of(TABLE, row(name="n", is_active=False)) == "i\tn\t\\N\tf\t\\N\t\\N"
    assert values_of(TABLE, row(number=0)) == ["i", None, None, None, "0", None]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "{}"),
        ([], "[]"),
        ([1, "a", True, None, 1.5], '[1, "a", true, null, 1.5]'),
        ({"bb": 1, "a": 2, "c": 3}, '{"a": 2, "c": 3, "bb": 1}'),
        ({"\u00fc": 1, "ab": 2, "z": 3, "abc": 4}, '{"z": 3, "ab": 2, "\u00fc": 1, "abc": 4}'),
        ({"a": {"b": [{"c": "x\ty"}]}}, '{"a": {"b": [{"c": "x\\ty"}]}}'),
        (12345678901234567890, "12345678901234567890"),
        ('say "a"', '"say \\"a\\""'),
    ],
)
def test_json_is_written_as_jsonb_is_shorter_keys_first(value: Any, text: str) -> None:
    assert values_of(TABLE, row(data=value))[-1] == text


def test_what_a_column_cannot_hold_is_no_line() -> None:
    for column, value in (("is_active", "t"), ("number", "7"), ("is_active", [])):
        with pytest.raises((KeyError, TypeError)):
            line_of(TABLE, row(**{column: value}))
    with pytest.raises(KeyError):
        line_of(TABLE, {"id": "i"})


def test_postgresql_is_asked_for_the_texts_that_copy_writes() -> None:
    assert as_in_copy(Table("ab", {"a": "uuid", "b": "boolean"}), "w.") == (
        "w.a::uuid::text, CASE w.b::boolean WHEN TRUE THEN 't' WHEN FALSE THEN 'f' END"
    )


def test_lines_are_joined_each_with_its_end() -> None:
    assert join_lines(["a\tb", "c"]) == "a\tb\nc\n"
    assert join_lines([]) == ""
