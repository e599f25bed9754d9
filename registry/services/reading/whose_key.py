"""Whose key is this? The versions of credentials, of all that ever were, that hold a value.

Values are compared by their keyed fingerprints: nothing is decrypted, and nothing is shown.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from registry.database.connection import Connection, Database, registry_errors
from registry.database.queries import load_queries, read_rows
from registry.encryption.fingerprint import DIGEST_CHARACTERS, normal_form
from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.execution.vault import Vault, send_registry_key

_QUERIES = load_queries("registry.services.reading", "whose_key.sql")
_FINGERPRINT: Final = re.compile(rf"(?:([\w-]{{1,60}})#)?([0-9a-fA-F]{{8,{DIGEST_CHARACTERS}}})")
_HEX: Final = re.compile(r"(?:0[xX])?([0-9a-fA-F]{32,})")

Record = dict[str, Any]
"""A version that holds the value: column -> value."""


def holders_of_value(database: Database, keyring: MasterKeyring, value: Secret) -> list[Record]:
    """The versions that hold a value, the oldest first.

    Raises:
        InvalidInput: it is empty.
        MasterKeyWrong: the registry was set up with another master key.
    """
    if not value.reveal().strip():
        raise InvalidInput("there is no value to look for: it is empty")
    with database.connection() as connection, registry_errors(connection):
        fields = connection.execute(_QUERIES["fields"]).fetchall()
        if not fields:
            return []
        vault = Vault(keyring, send_registry_key(connection))
        digests = {
            vault.fingerprint(exchange_id, field, text)
            for exchange_id, field in fields
            for form in _forms(value.reveal())
            for text in (form, normal_form(field, form))
        }
        return _holders(connection, sorted(digests), DIGEST_CHARACTERS, None)


def holders_of_fingerprint(database: Database, fingerprint: str) -> list[Record]:
    """The versions that have a fingerprint, as the history shows it, the oldest first.

    Raises:
        InvalidInput: it is none; the text is not shown, since it may be a secret.
    """
    found = _FINGERPRINT.fullmatch(fingerprint.strip())
    if found is None:
        raise InvalidInput(
            "this is not a fingerprint (it is not shown)",
            hint="It is as the history shows it, such as api_key#6e5bec8c.",
        )
    with database.connection() as connection, registry_errors(connection):
        return _holders(connection, [found[2].lower()], len(found[2]), found[1])


def _holders(
    connection: Connection, fingerprints: list[str], length: int, field: str | None
) -> list[Record]:
    parameters = {"fingerprints": fingerprints, "length": length, "field": field}
    return read_rows(connection, _QUERIES["holders"], parameters)


def _forms(text: str) -> Iterator[str]:
    """A value as it may have been stored: who found it does not know how it was written."""
    plain = text.strip().replace("\r\n", "\n")
    yield from {text, plain, f"{plain}\n", plain.replace("\\n", "\n")}
    if found := _HEX.fullmatch(plain):
        digits = found[1]
        for written in {digits, digits.lower(), digits.upper()}:
            yield from (written, f"0x{written}")
