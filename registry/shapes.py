"""The shapes of private keys and addresses, whatever the purpose of a text.

A shape proves nothing. But it reveals a key in an address's place, before the key reaches a
column that everybody reads.
"""

import re
from typing import Final

from registry.errors import InvalidInput

_HEX_KEY: Final = re.compile(r"(0x)?[0-9a-f]{62,}", re.IGNORECASE)
"""Keys of most chains have 64 digits, or one or two fewer without leading zeros."""
_BASE58_KEY: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{86,90}")
_PEM: Final = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_PREFIXED: Final = re.compile(r"(?<![0-9a-z])0x[0-9a-f]{64}(?![0-9a-z])", re.IGNORECASE)
_BARE: Final = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_PHRASE: Final = re.compile(r"[a-z]{3,8}( [a-z]{3,8}){11,23}")
_PHRASE_LENGTHS: Final = {12, 15, 18, 21, 24}
# https://github.com/bitcoin/bips/blob/master/bip-0039/english.txt has none of these words.
_OF_SENTENCES: Final = {"the", "and", "for", "with", "from", "not", "its", "has", "are", "was"}

EVM_ADDRESS: Final = re.compile(r"0x[0-9a-f]{40}", re.IGNORECASE)


def key_shape(text: str) -> str | None:
    """The shape of a private key that the text has, in words; None if it has none.

    Hashes, and addresses of some chains, have the same shape: not for texts that may hold them.
    """
    text = text.strip()
    if _HEX_KEY.fullmatch(text):
        return f"{len(text.lower().removeprefix('0x'))} hexadecimal digits"
    if _BASE58_KEY.fullmatch(text):
        return f"{len(text)} characters in base 58"
    return _clear_shape(text)


def refuse_key(text: str, what: str) -> None:
    """Refuses a text for people that certainly holds a private key.

    Raises:
        InvalidInput: it holds one; the message does not show the text.
    """
    found = _clear_shape(text.strip())
    if found is not None:
        raise InvalidInput(
            f"{what} is kept in plain text, and looks like a private key: {found}",
            hint="Secrets come in as credentials, or by an import. A hash can be shortened, or "
            "written without 0x among other words.",
        )


def refuse_key_as_address(address: str) -> None:
    """Refuses an address that could be a private key.

    Raises:
        InvalidInput: it could be one; the message does not show it.
    """
    found = key_shape(address)
    if found is not None:
        raise InvalidInput(
            f"the wallet address is kept in plain text, and looks like a private key: {found}",
            hint="A wallet's address is 0x and 40 hexadecimal digits on most chains.",
        )


def refuse_keys_within(value: object, what: str) -> None:
    """Applies `refuse_key` to every text in a JSON value.

    Raises:
        InvalidInput: see `refuse_key`.
    """
    match value:
        case str():
            refuse_key(value, what)
        case list():
            for item in value:
                refuse_keys_within(item, what)
        case dict():
            for name, item in value.items():
                refuse_key(name, what)
                refuse_keys_within(item, what)


def is_phrase(text: str) -> bool:
    """Whether the text has as many words as a seed phrase, and none of `_OF_SENTENCES`."""
    words = text.split(" ")
    return bool(
        _PHRASE.fullmatch(text)
        and len(words) in _PHRASE_LENGTHS
        and not _OF_SENTENCES.intersection(words)
    )


def _clear_shape(text: str) -> str | None:
    if _PEM.search(text):
        return "a private key in PEM form"
    if _PREFIXED.search(text) or _BARE.fullmatch(text):
        return "64 hexadecimal digits"
    return "a seed phrase" if is_phrase(text) else None
