"""What was given to this run, so that nothing of it that could be secret is said again.

One net under all that goes to standard error: whoever writes a message need not think of it, and
the messages of libraries go through it too. Standard output is what the registry holds.
"""

import itertools
import os
import re
from collections.abc import Iterable
from typing import Final

from registry.shown import NOT_SHOWN, secret_parts

_OURS: Final = ("CREDENTIAL_", "DATABASE_URL", "REGISTRY_")
_OPTION: Final = re.compile(r"--[a-z-]+=|@")
_STRETCH: Final = 8
"""So many characters in a row of a secret are not shown either."""
_SHORTEST: Final = 3

_secrets: set[str] = set()


def remember(words: Iterable[str]) -> None:
    """Takes the words of the command line; the variables that are ours are looked at as well."""
    settings = [value for name, value in os.environ.items() if name.startswith(_OURS)]
    given = [_OPTION.sub("", word, count=1) if _OPTION.match(word) else word for word in words]
    _secrets.clear()
    _secrets.update(part for text in (*given, *settings) for part in secret_parts(text))


def without_secrets(text: str) -> str:
    """A text without what was given and could be secret, nor longer stretches of it."""
    for secret in sorted(_secrets, key=len, reverse=True):
        if len(secret) >= _STRETCH:
            text = _without_stretches(text, secret)
        elif len(secret) >= _SHORTEST:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", lambda _: NOT_SHOWN, text)
    return text


def _without_stretches(text: str, secret: str) -> str:
    starts = range(len(secret) - _STRETCH + 1)
    stretches = {secret[start : start + _STRETCH].lower() for start in starts}
    hidden = [False] * len(text)
    for start in range(len(text)):
        if text[start : start + _STRETCH].lower() in stretches:
            hidden[start : start + _STRETCH] = [True] * _STRETCH
    pieces = itertools.groupby(zip(text, hidden, strict=True), key=lambda pair: pair[1])
    return "".join(
        NOT_SHOWN if is_hidden else "".join(character for character, _ in piece)
        for is_hidden, piece in pieces
    )
