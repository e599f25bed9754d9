"""Numbers and plurals in words."""

import pytest

from registry.plurals import counted, plural


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 events"), (1, "1 event"), (2, "2 events"), (12_000, "12,000 events")],
)
def test_one_thing_is_one_and_all_other_numbers_are_many(number: int, words: str) -> None:
    assert counted(number, "event") == words
    assert plural(number, "event") == words.split()[1]
