"""Files that another program has encrypted, or that refer to its secrets."""

import re
from pathlib import Path
from typing import Final

from registry.catalog.elsewhere import Elsewhere, kept_elsewhere
from registry.machine import bytes_of_input, text_of

MAX_FILE: Final = 1024 * 1024


_FILES: Final = (
    (rb"\$ANSIBLE_VAULT;", "encrypted by ansible-vault", "ansible-vault view FILE"),
    (
        rb"age-encryption\.org/|-----BEGIN AGE ENCRYPTED",
        "encrypted by age",
        "age --decrypt -i KEY-FILE FILE",
    ),
    # The first bytes of OpenPGP's packets of an encrypted message (RFC 9580, section 4.2).
    (rb"-----BEGIN PGP MESSAGE|[\x84\x85\x8c\xc1]", "encrypted by gpg", "gpg --decrypt FILE"),
    (rb"\0GITCRYPT", "encrypted by git-crypt", "git-crypt unlock && cat FILE"),
    (rb"Salted__|U2FsdGVkX1", "encrypted by openssl", "openssl enc -d … -in FILE"),
)
"""The first bytes of a file, what it is, and the way to its content."""

_LINE: Final = re.compile(
    r"""^[\s-]*["']?(?P<name>[\w.-]+)["']?\s*[:=]\s*["']?(?P<value>[^"'\n]+)""", re.MULTILINE
)


def text_of_import(path: Path, verb: str) -> str:
    """The text of a file, or of standard input for `-`.

    Raises:
        InvalidCredential: the whole file is encrypted.
        InvalidInput: it cannot be read, is too large, or is not UTF-8.
    """
    raw = bytes_of_input(path, limit=MAX_FILE)
    for pattern, what, way in _FILES:
        if re.match(pattern, raw.lstrip()):
            raise Elsewhere(what, way).refusal(str(path), verb)
    return text_of(raw, str(path), limit=MAX_FILE)


def kept_in_lines(text: str) -> tuple[str, Elsewhere] | None:
    """The first such value in a text of whatever language (YAML, TOML, INI), and its name."""
    for line in _LINE.finditer(text):
        if (kept := kept_elsewhere(line["value"])) is not None:
            return line["name"], kept
    return None
