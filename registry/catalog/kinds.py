"""The kinds of values that `exchanges.toml` names, and the form of each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from registry.encryption.secret import Secret

_SHORTEST: Final = 8
"""Shorter values may be equal by chance."""


FORMS: Final[Mapping[str, tuple[str, str]]] = {
    "address": (r"0x[0-9a-fA-F]{40}", "0x and 40 hexadecimal digits"),
    "base64": (r"[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{86}==", "32 or 64 bytes in base64"),
    "base64_text": (
        r"([A-Za-z0-9+/]{4}){4,}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
        "16 or more characters of base64",
    ),
    "felt": (r"(0x)?[0-9a-fA-F]{1,64}", "64 hexadecimal digits at most"),
    "hex32": (r"(0x)?[0-9a-fA-F]{64}", "64 hexadecimal digits"),
    "hex40": (r"(0x)?[0-9a-fA-F]{80}", "80 hexadecimal digits"),
    "integer": (r"[0-9]{1,19}", "a whole number"),
    "long_key": (
        r"[A-Za-z0-9+/_=-]{32,}|-----BEGIN [\s\S]*",
        "a key: 32 or more characters in one word, or PEM",
    ),
    "pem": (r"-----BEGIN [\s\S]*", "a private key in PEM form"),
    "solana": (r"[1-9A-HJ-NP-Za-km-z]{32,44}", "32 to 44 characters in base 58"),
    # A random key has few leading zeros that could be left out.
    "stark_key": (r"(0x)?[0-9a-fA-F]{56,64}", "56 to 64 hexadecimal digits"),
    "wallet": (
        r"0x[0-9a-fA-F]{40}|[1-9A-HJ-NP-Za-km-z]{32,44}|[a-z]{2,10}1[02-9ac-hj-np-z]{38,58}",
        "an address of Ethereum (0x and 40 hexadecimal digits), Solana or Cosmos",
    ),
}
"""Form -> its pattern, and its description."""

SYSTEMS: Final[Mapping[str, tuple[str, ...]]] = {
    "prod": ("prod", "production", "mainnet", "live"),
    "testnet": ("testnet", "test", "sandbox"),
}
"""System of an exchange -> the words that mean it, in any case."""


def system_of(word: str) -> str | None:
    """The system that a word means; None if it means none."""
    return next((system for system, words in SYSTEMS.items() if word.lower() in words), None)


@dataclass(frozen=True, slots=True)
class Kind:
    """The traits of the values of a kind."""

    form: str | None = None
    """The form of every value: a value of another form is not stored."""
    is_address: bool = False
    is_private_key: bool = False
    is_system: bool = False
    """Whether it names the exchange's real or its test system."""
    tells_accounts_apart: bool = True
    """Whether a different public value means another account at the exchange."""

    def normal(self, text: str) -> str:
        """The value in the one form that is stored.

        Raises:
            ValueError: the text has not the form of such a value; the error says which it has.
        """
        if self.is_system:
            system = system_of(text)
            if system is None:
                known = ", ".join(word for words in SYSTEMS.values() for word in words)
                raise ValueError(f"names no system that is known; it may be {known}")
            return system
        if self.form is not None:
            pattern, words = FORMS[self.form]
            if not re.fullmatch(pattern, text):
                raise ValueError(f"is not {words}")
        return text


KINDS: Final = {
    "text": Kind(),
    "address": Kind("address", is_address=True),
    "stark_address": Kind("felt", is_address=True),
    "solana_address": Kind("solana", is_address=True),
    "wallet": Kind("wallet", is_address=True),
    "private_key": Kind("hex32", is_private_key=True),
    "stark_key": Kind("stark_key", is_private_key=True),
    "other_key": Kind(is_private_key=True),
    "long_key": Kind("long_key", is_private_key=True),
    "base64": Kind("base64_text"),
    "base64_key": Kind("base64", is_private_key=True),
    "pem": Kind("pem", is_private_key=True),
    "environment": Kind(is_system=True),
    "public_key": Kind(tells_accounts_apart=False),
    "setting": Kind(tells_accounts_apart=False),
}


def same_value(
    values: Mapping[str, Secret], secret: Mapping[str, Secret]
) -> tuple[str, str] | None:
    """The names of a field and a secret one with the same value, in whatever notation."""
    plain = {name: _plain(value) for name, value in secret.items()}
    return next(
        (
            (name, other)
            for name, value in values.items()
            for other, key in plain.items()
            if name != other and len(key) >= _SHORTEST and _plain(value) == key
        ),
        None,
    )


def _plain(value: Secret) -> str:
    return value.reveal().strip().lower().removeprefix("0x").lstrip("0")
