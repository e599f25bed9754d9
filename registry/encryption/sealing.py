"""Seals and opens the fields of a credential under a data key of its own.

The key of each field is HKDF-SHA256 (RFC 5869) of the data key, with the field's place
as info; the field itself is a Fernet token.
"""

import base64
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.errors import CannotDecrypt
from registry.hints import Command, Hint

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Place:
    """The slot that a sealed field belongs to; a token opens nowhere else."""

    account_id: uuid.UUID
    exchange_id: int
    subaccount_index: int | None
    permission: str

    def info(self, field: str) -> bytes:
        """The place and the field as unique bytes."""
        subaccount = "" if self.subaccount_index is None else str(self.subaccount_index)
        parts = (str(self.account_id), str(self.exchange_id), subaccount, self.permission, field)
        return "|".join(parts).encode()


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one version of a credential, plain in memory only."""

    id: uuid.UUID
    key: bytes

    def __repr__(self) -> str:
        return f"DataKey({self.id})"

    @classmethod
    def generate(cls, key_id: uuid.UUID) -> "DataKey":
        """A new random key."""
        return cls(key_id, os.urandom(_KEY_BYTES))

    @classmethod
    def unwrap(
        cls, keyring: MasterKeyring, key_id: uuid.UUID, wrapped: str, master_key_id: str
    ) -> "DataKey":
        """A stored key; errors as `MasterKeyring.unwrap`."""
        return cls(key_id, keyring.unwrap(key_id, wrapped, master_key_id))

    def seal(self, place: Place, fields: Mapping[str, Secret]) -> dict[str, str]:
        """The fields as tokens that open in this place only."""
        return {
            name: self._fernet(place, name).encrypt(value.reveal().encode()).decode()
            for name, value in fields.items()
        }

    def open(self, place: Place, tokens: Mapping[str, str]) -> dict[str, Secret]:
        """The fields of tokens that were sealed in this place.

        Raises:
            CannotDecrypt: a token is damaged, or was sealed in another place.
        """
        return {name: self._open(place, name, token) for name, token in tokens.items()}

    def _open(self, place: Place, name: str, token: str) -> Secret:
        try:
            return Secret(self._fernet(place, name).decrypt(token).decode())
        except (InvalidToken, ValueError):  # ValueError: not even ASCII
            raise CannotDecrypt(
                f"the field {name} does not open: its token is damaged or was moved here "
                "from another account, exchange or field",
                hint=Hint("Run: ", Command("rebuild", check=True)),
            ) from None

    def _fernet(self, place: Place, field: str) -> Fernet:
        derived = HKDFExpand(SHA256(), _KEY_BYTES, place.info(field)).derive(self.key)
        return Fernet(base64.urlsafe_b64encode(derived))
