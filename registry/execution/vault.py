"""Seals credentials for the executor: a data key for each version, and the fingerprint key."""

import datetime as dt
import os
import uuid
from collections.abc import Mapping
from typing import Any, Final

import psycopg

from registry.clock import now
from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.encryption.fingerprint import Fingerprinter
from registry.encryption.keyring import MasterKeyring
from registry.encryption.sealing import DataKey, Place
from registry.encryption.secret import Secret
from registry.execution.executor import Write
from registry.log.ids import new_id
from registry.rules.credentials import Sealed

_QUERIES = load_queries("registry.execution")
ADD_DATA_KEY: Final = _QUERIES["add_data_key"]
PURPOSE: Final = "fingerprint"
_KEY_BYTES: Final = 32

FINGERPRINT_KEY_ID: Final = uuid.UUID("8f0a5f0e-6f3b-5c52-9a51-0a1f0a7a6a02")
"""The id under which the fingerprint key is wrapped; its table has no ids."""


def send_registry_key(connection: Connection) -> psycopg.Cursor[Any]:
    """Sends the query for the fingerprint key; `Vault` reads the result."""
    return connection.execute(_QUERIES["registry_key"], {"purpose": PURPOSE})


class Vault:
    """The `Sealer` of one decision; its new keys are written with the decision's events."""

    def __init__(self, keyring: MasterKeyring, registry_key: psycopg.Cursor[Any]) -> None:
        """Unwraps the fingerprint key, or makes it for the first credential ever.

        Raises:
            MasterKeyWrong: the keyring lacks the master key that wraps the fingerprint key.
            CannotDecrypt: the fingerprint key is damaged.
        """
        self._keyring = keyring
        self._time: dt.datetime = now()
        self.writes: list[Write] = []
        row = registry_key.fetchone()
        key = self._new_registry_key() if row is None else keyring.unwrap(FINGERPRINT_KEY_ID, *row)
        self._fingerprinter = Fingerprinter(key)

    def fingerprints(self, exchange_id: int, fields: Mapping[str, Secret]) -> dict[str, str]:
        """See `Sealer`."""
        return self._fingerprinter.fields(exchange_id, fields)

    def fingerprint(self, exchange_id: int, field: str, text: str) -> str:
        """The fingerprint of a value as it is written; older logs hold such of private keys."""
        return self._fingerprinter.field(exchange_id, field, text)

    def seal(
        self, credential_id: uuid.UUID, version: int, place: Place, fields: Mapping[str, Secret]
    ) -> Sealed:
        """See `Sealer`."""
        data_key = DataKey.generate(new_id())
        sealing = {"id": data_key.id, "credential_id": credential_id, "credential_version": version}
        wrapped = self._wrapped(data_key.id, data_key.key)
        self.writes.append(Write(ADD_DATA_KEY, {**sealing, **wrapped}))
        return Sealed(
            data_key.id,
            data_key.seal(place, fields),
            self.fingerprints(place.exchange_id, fields),
        )

    def _new_registry_key(self) -> bytes:
        key = os.urandom(_KEY_BYTES)
        wrapped = self._wrapped(FINGERPRINT_KEY_ID, key)
        self.writes.append(Write(_QUERIES["add_registry_key"], {"purpose": PURPOSE, **wrapped}))
        return key

    def _wrapped(self, key_id: uuid.UUID, key: bytes) -> dict[str, Any]:
        """The columns that the tables of both kinds of keys have."""
        return {
            "wrapped_key": self._keyring.wrap(key_id, key),
            "master_key_id": self._keyring.newest_id,
            "created_at": self._time,
        }
