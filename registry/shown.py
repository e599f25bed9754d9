"""Hides input texts that could be secrets.

A slip puts a key in place of a name, a path or an option's value, and an error that repeats it
carries it into a log. So a text is not shown if its form could be that of a secret. A form does
not reveal every secret: a password of one word looks like a name.
"""

import os
import re
from typing import Final

NOT_SHOWN: Final = "(not shown: it could be a secret)"

_PEM: Final = re.compile(r"-----BEGIN\b.*", re.DOTALL)
_MNEMONIC: Final = re.compile(r"\b[a-z]{3,8}(?:[\s,]+[a-z]{3,8}){11,}\b", re.IGNORECASE)
_PASSWORD: Final = re.compile(r"://[^\s/@:]{0,100}:([^\s@]{1,200})@")
# 32 bytes, such as a master key.
_BASE64_KEY: Final = re.compile(r"(?<![\w-])(?:[\w-]{43}|[\w+/]{43})=(?!=)", re.ASCII)
# A line of an env file; and a field whose name says that its value is secret, unless the value
# is the name of a variable.
VARIABLE: Final = re.compile(r"\A(?:export\s+)?[A-Z_][A-Z0-9_]*\s*=\s*(.+)", re.DOTALL)
_NAMED_SECRET: Final = re.compile(
    # Matches from the start of a name, and names are short: a long text is scanned once.
    r"""["']?(?<![\w.-])[\w.-]{0,60}?
        (?i:key|secret|token|passw|passphrase|mnemonic|seed|private)[\w.-]{0,60}["']?
        \s{0,20}[=:]\s{0,20}["']?(?![A-Z][A-Z0-9]*_[A-Z0-9_]+(?::[a-z]+(?:=[A-Za-z_.]{1,60})?)*$)([^\s"',}\]]+)""",
    re.VERBOSE,
)

_TOKEN: Final = re.compile(r"[A-Za-z0-9+/_=.~-]{10,}")
_PIECE: Final = re.compile(r"[A-Za-z0-9]+")
_RUN: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_SHORT: Final = 13
"""Shorter pieces, such as the id of a container, occur in names."""
_LONG: Final = 16
_SHORT_RUN: Final = 2.5
_LONG_RUN: Final = 3.0
"""Mean length of the runs of small letters, capitals or digits; a harmless word exceeds it, ..."""
_NUMBERS: Final = 3
"""... and holds fewer numbers than this."""
_KEY: Final = 32
"""The length from which no name and no text looks like a key by chance."""

# Public texts that look as random as a key.
_PUBLIC: Final = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"  # a UUID
    r"|\b0x[0-9a-f]{40}\b"  # an address of Ethereum
    r"|(?<!\S)\S{1,200}\+[0-9a-f]{8}\+A[a-z0-9+/]{43}(?![\w+/=])",  # a public key for checkpoints
    re.IGNORECASE,
)
# Addresses in base58 or bech32, such as those of Solana and Cosmos: accounts are named by them.
_ADDRESS: Final = re.compile(
    "(?=.*[a-z])(?=.*[A-Z])[1-9A-HJ-NP-Za-km-z]{32,48}|[a-z]{2,8}1[02-9ac-hj-np-z]{38,58}"
)


def shown(text: object) -> str:
    """The text, or `NOT_SHOWN` if it could be a secret."""
    return NOT_SHOWN if secret_parts(str(text)) else str(text)


def is_secret(text: str) -> bool:
    """Whether the text as a whole could be a secret, so that it must not be stored in plain."""
    whole = text.strip()
    found = len(whole) >= _KEY and whole in secret_parts(whole)
    return found and not _ADDRESS.fullmatch(whole)


def secret_parts(text: str) -> list[str]:
    """The parts of a text that could be secrets; existing files and folders are none."""
    whole = _beyond_folders(text.strip())
    named = list(_NAMED_SECRET.finditer(whole))
    parts = [whole] if named and whole.startswith(("{", "[")) else []
    for found in (*VARIABLE.finditer(whole), *named):
        parts += found.group(0, 1)
    for form in (_PEM, _MNEMONIC, _PASSWORD, _BASE64_KEY):
        parts += [found[form.groups] for found in form.finditer(whole)]
    for token in _TOKEN.findall(_PUBLIC.sub(" ", whole)):
        parts += _random_parts(token)
    return parts


def _beyond_folders(text: str) -> str:
    """The part of a path after its existing folders; empty for a file or a name in such a folder.

    The root does not count as an existing folder.
    """
    # No pathlib: it raises for a text that is too long for a path.
    folder = os.path.dirname(text)  # noqa: PTH120
    if os.path.isfile(text) or (folder.strip("/") and os.path.isdir(folder)):  # noqa: PTH112, PTH113
        return ""
    while folder.strip("/") and not os.path.isdir(folder):  # noqa: PTH112
        folder = os.path.dirname(folder)  # noqa: PTH120
    return text[len(folder) :] if folder.strip("/") else text


def _random_parts(token: str) -> list[str]:
    pieces = _PIECE.findall(token)
    joined = "".join(pieces)  # for a key with - and _ among its letters
    if len(joined) >= _KEY and _mean_run(joined) < _LONG_RUN:
        return [token]
    return [piece for piece in pieces if _is_random(piece)]


def _is_random(piece: str) -> bool:
    """Whether small letters, capitals and numbers alternate more often than in any name."""
    if len(piece) < _LONG:
        return len(piece) >= _SHORT and _mean_run(piece) < _SHORT_RUN
    numbers = sum(run.isdigit() for run in _RUN.findall(piece))
    return _mean_run(piece) < _LONG_RUN or numbers >= _NUMBERS


def _mean_run(text: str) -> float:
    return len(text) / len(_RUN.findall(text))
