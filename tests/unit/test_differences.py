"""Changed details in words."""

from typing import Any

import pytest

from registry.differences import in_words

SECRET = "0x" + "9b2f4c81d07e53aa" * 4


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({}, {"label": "desk"}, "label: nothing → 'desk'"),
        ({"label": "a"}, {"label": None}, "label: 'a' → nothing"),
        ({"label": "a", "other": 1}, {"label": "a"}, ""),
        ({"metadata": {"n": 3, "m": 1}}, {"metadata": {"n": 5, "m": 1}}, "metadata.n: 3 → 5"),
        ({"metadata": {"n": 3}}, {"metadata": {}}, "metadata.n: 3 → nothing"),
        ({"metadata": None}, {"metadata": {"n": {"m": True}}}, "metadata.n.m: nothing → True"),
        ({"metadata": {"n": {"m": 1}}}, {"metadata": {"n": [2]}}, "metadata.n: {'m': 1} → [2]"),
    ],
)
def test_what_differs_is_told_as_old_and_new(
    before: dict[str, Any], after: dict[str, Any], words: str
) -> None:
    assert in_words(before, after) == words


def test_a_long_text_is_cut_and_what_may_be_a_secret_is_not_shown() -> None:
    told = in_words({"description": SECRET}, {"description": "word " * 50})
    assert SECRET not in told
    assert "not shown" in told
    assert len(told) < 180
