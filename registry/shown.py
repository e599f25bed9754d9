"""What of a text that somebody gave may be said again.

A slip puts a key where a name, a path or an option's value belongs, and an error that repeats it
carries it into a log. So a text is not shown if by its form it could be a secret. A form does not
tell all: a password of one word looks like a name.
"""

import os
import re
from typing import Final

NOT_SHOWN: Final = "(not shown: it could be a secret)"

_PEM: Final = re.compile(r"-----BEGIN\b.*", re.DOTALL)
_MNEMONIC: Final = re.compile(r"\b[a-z]{3,8}(?:[\s,]+[a-z]{3,8}){11,}\b", re.IGNORECASE)
_PASSWORD: Final = re.compile(r"://[^\s/@:]{0,100}:([^\s@]{1,200})@")
# 32 bytes, as a master key is.
_BASE64_KEY: Final = re.compile(r"(?<![\w-])(?:[\w-]{43}|[\w+/]{43})=(?!=)", re.ASCII)
# A line of an env file; and a field by whose name its value is secret, unless that is the
# name of a variable.
_VARIABLE: Final = re.compile(r"\A(?:export\s+)?[A-Z_][A-Z0-9_]*\s*=\s*(.+)", re.DOTALL)
_NAMED_SECRET: Final = re.compile(
    # From where a name begins, and names are short: a long text is looked through once.
    r"""["']?(?<![\w.-])[\w.-]{0,60}?
        (?i:key|secret|token|passw|passphrase|mnemonic|seed|private)[\w.-]{0,60}["']?
        \s{0,20}[=:]\s{0,20}["']?(?![A-Z][A-Z0-9]*_[A-Z0-9_]+(?::[a-z]+)*$)([^\s"',}\]]+)""",
    re.VERBOSE,
)

_TOKEN: Final = re.compile(r"[A-Za-z0-9+/_=.~-]{10,}")
_PIECE: Final = re.compile(r"[A-Za-z0-9]+")
_RUN: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_SHORT: Final = 13
"""What is shorter, such as the id of a container, is a part of names."""
_LONG: Final = 16
_SHORT_RUN: Final = 2.5
_LONG_RUN: Final = 3.0
"""In a long word the runs of small letters, capitals or digits are longer than that, ..."""
_NUMBERS: Final = 3
"""... and it has fewer numbers in it."""
_KEY: Final = 32
"""So long are the shortest keys that no name and no text is by chance."""

# What looks as random as a key, and is public.
_PUBLIC: Final = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"  # a UUID
    r"|\b0x[0-9a-f]{40}\b"  # an address of Ethereum
    r"|(?<!\S)\S{1,200}\+[0-9a-f]{8}\+A[a-z0-9+/]{43}(?![\w+/=])",  # a public key for checkpoints
    re.IGNORECASE,
)
# In base58 or bech32, such as those of Solana and Cosmos: accounts are named by them.
_ADDRESS: Final = re.compile(
    "(?=.*[a-z])(?=.*[A-Z])[1-9A-HJ-NP-Za-km-z]{32,48}|[a-z]{2,8}1[02-9ac-hj-np-z]{38,58}"
)


def shown(text: object) -> str:
    """The text; or, of one that could be a secret, that it is not shown."""
    return NOT_SHOWN if secret_parts(str(text)) else str(text)


def is_secret(text: str) -> bool:
    """Whether the text is a secret as a whole, so that it must not be kept in plain."""
    whole = text.strip()
    found = len(whole) >= _KEY and whole in secret_parts(whole)
    return found and not _ADDRESS.fullmatch(whole)


def secret_parts(text: str) -> list[str]:
    """What of a text could be a secret; a file, and a path into a folder that is there, is none."""
    whole = _beyond_folders(text.strip())
    named = list(_NAMED_SECRET.finditer(whole))
    parts = [whole] if named and whole.startswith(("{", "[")) else []
    for found in (*_VARIABLE.finditer(whole), *named):
        parts += found.group(0, 1)
    for form in (_PEM, _MNEMONIC, _PASSWORD, _BASE64_KEY):
        parts += [found[form.groups] for found in form.finditer(whole)]
    for token in _TOKEN.findall(_PUBLIC.sub(" ", whole)):
        parts += _random_parts(token)
    return parts


def _beyond_folders(text: str) -> str:
    """What follows the folders of a path that are there; nothing, if they all are.

    The root is one for anything.
    """
    # Not of pathlib, to which a text that is too long for a path is an error.
    folder = os.path.dirname(text)  # noqa: PTH120
    if os.path.isfile(text) or (folder.strip("/") and os.path.isdir(folder)):  # noqa: PTH112, PTH113
        return ""
    while folder.strip("/") and not os.path.isdir(folder):  # noqa: PTH112
        folder = os.path.dirname(folder)  # noqa: PTH120
    return text[len(folder) :] if folder.strip("/") else text


def _random_parts(token: str) -> list[str]:
    pieces = _PIECE.findall(token)
    joined = "".join(pieces)  # of a key in which - and _ are letters too
    if len(joined) >= _KEY and _mean_run(joined) < _LONG_RUN:
        return [token]
    return [piece for piece in pieces if _is_random(piece)]


def _is_random(piece: str) -> bool:
    """Whether letters, capitals and numbers alternate as they do in no name."""
    if len(piece) < _LONG:
        return len(piece) >= _SHORT and _mean_run(piece) < _SHORT_RUN
    numbers = sum(run.isdigit() for run in _RUN.findall(piece))
    return _mean_run(piece) < _LONG_RUN or numbers >= _NUMBERS


def _mean_run(text: str) -> float:
    return len(text) / len(_RUN.findall(text))
