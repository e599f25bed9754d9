"""The filter as it is typed: `account=grid_* state=near its limit`, other words are a text."""

import re
from collections.abc import Mapping
from typing import Final

from registry.services.views.reading import FILTERS

_NAMED: Final = re.compile(rf"(?:^|(?<=\s))({'|'.join(FILTERS)})\s*[=:]\s*")

Given = dict[str, str]
"""What filters, by the names of `Filter`."""


def parse(typed: str) -> Given:
    """The filter that is typed. A value ends where the next name begins, so it may have spaces."""
    found = list(_NAMED.finditer(typed))
    ends = [*(one.start() for one in found), len(typed)]
    values = {"text": typed[: ends[0]]}
    for one, end in zip(found, ends[1:], strict=True):
        values[one[1]] = typed[one.end() : end]
    return {name: " ".join(value.split()) for name, value in values.items() if value.strip()}


def typed(given: Mapping[str, str]) -> str:
    """The same as it could be typed."""
    text = given.get("text", "")
    named = [f"{name}={given[name]}" for name in FILTERS if name != "text" and given.get(name)]
    # A text that itself looks like a filter is named too.
    is_plain = not _NAMED.search(text)
    return " ".join([*([text] if text and is_plain else ()), *named, *_last(text, is_plain)])


def _last(text: str, is_plain: bool) -> list[str]:
    return [] if is_plain else [f"text={text}"]
