"""Keyed digests: they reveal the equality of two values, and nothing else."""

import hashlib
import hmac
from collections.abc import Mapping

from registry.encryption.secret import Secret

DIGEST_CHARACTERS = 16


class Fingerprinter:
    """Makes the digests of one registry; without its key no guess can be tested."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Fingerprinter(***)"

    def fields(self, exchange_id: int, fields: Mapping[str, Secret]) -> dict[str, str]:
        """A short digest of each field: equal for equal values of an exchange's field."""
        return {name: self._field(exchange_id, name, value) for name, value in fields.items()}

    def _field(self, exchange_id: int, name: str, value: Secret) -> str:
        # Values are digested before their check: a lone surrogate must not raise here.
        text = f"{exchange_id}|{name}|{value.reveal()}".encode(errors="surrogatepass")
        return self.digest(text).hex()[:DIGEST_CHARACTERS]

    def digest(self, data: bytes) -> bytes:
        """HMAC-SHA256 of the data."""
        return hmac.new(self._key, data, hashlib.sha256).digest()
