"""Keeps the secrets that were given to this run out of standard error.

One filter for everything written to standard error, messages of libraries included. Authors of
messages need not think of it. Standard output is not filtered: it shows the registry's data.
"""

import itertools
import os
import re
from collections.abc import Iterable
from typing import Final

from registry.shown import NOT_SHOWN, VARIABLE, secret_parts

_OURS: Final = ("CREDENTIAL_", "DATABASE_URL", "REGISTRY_")
_OPTION: Final = re.compile(r"--[a-z-]+=|@")
_STRETCH: Final = 8
"""The shortest part of a secret, in characters, that is masked as well."""
_SHORTEST: Final = 3

_secrets: set[str] = set()


def remember(words: Iterable[str]) -> None:
    """Remembers the words of the command line, and the values of the registry's own variables."""
    settings = [value for name, value in os.environ.items() if name.startswith(_OURS)]
    given = [_OPTION.sub("", word, count=1) if _OPTION.match(word) else word for word in words]
    _secrets.clear()
    for text in (*given, *settings):
        parts = secret_parts(text)
        # Of NAME=value only the value, which is a part of its own: an error may name MAX_POSITIONS.
        named = VARIABLE.match(text.strip())
        _secrets.update(p for p in parts if not named or p != named[0] or not named[1].strip("="))


def without_secrets(text: str) -> str:
    """A text with the remembered values masked, including parts of `_STRETCH` characters."""
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
