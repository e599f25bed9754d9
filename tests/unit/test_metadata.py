"""An account's metadata: strict JSON that every parser reads alike."""

from typing import Any

import pytest

from registry.errors import InvalidInput
from registry.values import MAX_EXACT_INTEGER, MAX_METADATA_BYTES, metadata, parse_metadata


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"max_positions": 0, "max_exposure_usd": 0.5},
        {"a": [1, -1.5, "x", True, None, {"b": {}}]},
        {"n": MAX_EXACT_INTEGER, "m": -MAX_EXACT_INTEGER},
        {"": "an empty key"},
    ],
)
def test_an_object_is_accepted_as_it_is(value: dict[str, Any]) -> None:
    assert metadata(value) == value


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ([], "an array"),
        ("{}", "a string"),
        (True, "true or false"),
        (None, "null"),
        (5, "a number"),
    ],
)
def test_anything_but_an_object_is_refused_by_its_kind(value: Any, kind: str) -> None:
    with pytest.raises(InvalidInput, match=f"metadata must be a JSON object, not {kind}"):
        metadata(value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"n": 2**53}, "metadata.n holds an integer that JSON cannot carry exactly"),
        ({"n": -(2**53)}, "exactly"),
        ({"n": 1e22}, "metadata.n holds a number that JSON cannot carry exactly"),
        ({"n": float("nan")}, "not finite"),
        ({"n": [float("inf")]}, "not finite"),
        ({"t": "a\0b"}, "PostgreSQL cannot store"),
        ({"a\0b": 1}, "PostgreSQL cannot store"),
        ({"t": "\ud800"}, "PostgreSQL cannot store"),
        ({1: 2}, "a key that is not a text"),
        ({"s": {1, 2}}, "holds a set, which JSON does not have"),
        ({"b": b"x"}, "holds a bytes"),
        ({"x": "y" * MAX_METADATA_BYTES}, "bytes at most"),
    ],
)
def test_a_value_that_would_not_survive_is_refused_with_its_place(value: Any, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        metadata(value)


def test_depth_is_limited_long_before_a_parser_breaks() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = {"a": deep}
    with pytest.raises(InvalidInput, match="levels deep"):
        metadata(deep)
    with pytest.raises(InvalidInput, match="nested too deeply"):
        parse_metadata('{"a":' * 100_000)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", r"metadata is not JSON: .*\(line 1, column 2\)"),
        ("{'a': 1}", "is not JSON"),
        ('{"a": 1} x', "Extra data"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ('{"a": {"b": 1, "b": 1}}', "the key 'b' stands twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": 0.1234567890123456789}', "exactly"),
        ('{"a": 1e400}', "exactly"),
        ('{"a": 1e-400}', "exactly"),
        ('{"a": 1e-99999999999999999999}', "exactly"),
        ('{"a": 0e99999999999999999999}', "exactly"),
        ('{"a": 9007199254740993.0}', "exactly"),
        ('{"a": 12345678901234567890}', "exactly"),
        ('{"a": ' + "9" * 5000 + "}", "exactly"),
        ('{"a": "\\ud800"}', "half a character"),
        ('{"\\udfff": 1}', "half a character"),
        ("[1]", "not an array"),
        ("", "is not JSON"),
    ],
)
def test_text_that_is_not_strict_json_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        parse_metadata(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 0.1}', 0.1),
        ('{"a": 1.50}', 1.5),
        ('{"a": 1e3}', 1000.0),
        ('{"a": 9007199254740991}', 9007199254740991),
        ('{"a": "\\ud83d\\ude00"}', "\U0001f600"),
    ],
)
def test_a_number_or_text_that_stays_the_same_is_accepted(text: str, value: Any) -> None:
    assert parse_metadata(text) == {"a": value}
