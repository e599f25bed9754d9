"""Keyed digests: they reveal the equality of two values, and nothing else."""

import hashlib
import hmac
import re
from collections.abc import Mapping

from registry.encryption.secret import Secret

DIGEST_CHARACTERS = 16
_HEX = re.compile(r"(0[xX])?([0-9a-fA-F]{32,128})")


def normal_form(field: str, value: str) -> str:
    """A private key or an address in one notation: 0x and small letters, a key with its zeros."""
    is_key = "private_key" in field
    found = _HEX.fullmatch(value) if is_key or "address" in field else None
    return f"0x{found[2].lower().rjust(64 * is_key, '0')}" if found else value


class Fingerprinter:
    """Makes the digests of one registry; without its key no guess can be tested."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Fingerprinter(***)"

    def fields(self, exchange_id: int, fields: Mapping[str, Secret]) -> dict[str, str]:
        """A short digest of each field: equal for equal values of an exchange's field."""
        return {
            name: self.field(exchange_id, name, normal_form(name, value.reveal()))
            for name, value in fields.items()
        }

    def field(self, exchange_id: int, name: str, text: str) -> str:
        """The same for one value, as it is written."""
        # Values are digested before their check: a lone surrogate must not raise here.
        data = f"{exchange_id}|{name}|{text}".encode(errors="surrogatepass")
        return self.digest(data).hex()[:DIGEST_CHARACTERS]

    def digest(self, data: bytes) -> bytes:
        """HMAC-SHA256 of the data."""
        return hmac.new(self._key, data, hashlib.sha256).digest()
