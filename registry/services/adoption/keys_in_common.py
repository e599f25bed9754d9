"""Finds keys that several adopted accounts hold, also in a dry run.

A temporary table holds the fingerprints, so that memory stays bounded.
"""

from collections.abc import Iterable, Iterator

from registry.catalog.catalog import built_in_exchanges
from registry.catalog.specification import is_key
from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.execution.vault import Vault
from registry.rules.adoption.accounts import LegacyAccount
from registry.rules.adoption.credentials import AdoptedCredential
from registry.rules.adoption.rows import CREDENTIALS, Judge, Note

_QUERIES = load_queries("registry.services.adoption", "adoption.sql")


class KeysInCommon:
    """The keys of one adoption."""

    def __init__(self, connection: Connection, vault: Vault) -> None:
        """Creates the temporary table; the end of the transaction drops it."""
        self._connection = connection
        self._vault = vault
        self._waiting: list[tuple[str, ...]] = []
        connection.execute(_QUERIES["make_keys"])

    def add(self, account: LegacyAccount, held: Iterable[AdoptedCredential]) -> None:
        """Queues the keys of an account's credentials."""
        name = repr(account.name) if account.nth == 1 else f"{account.name!r} ({account.id})"
        for credential in held:
            exchange = credential.slot.exchange
            for field, fingerprint in self._keys(exchange, credential):
                self._waiting.append((fingerprint, name, credential.row.id, exchange, field))

    def _keys(self, exchange: str, credential: AdoptedCredential) -> Iterator[tuple[str, str]]:
        spec = built_in_exchanges().get(exchange)
        prints = self._vault.fingerprints(credential.row.exchange_id, credential.fields)
        for name, fingerprint in prints.items():
            if is_key(spec, name):
                yield name, fingerprint

    def flush(self) -> None:
        """Copies the queued keys into the table."""
        with self._connection.cursor().copy(_QUERIES["copy_keys"]) as copy:
            for key in self._waiting:
                copy.write_row(key)
        self._waiting.clear()

    def note(self, judge: Judge) -> None:
        """Adds a note for each group of accounts with keys in common."""
        self.flush()
        for row_id, exchange, fields, names, others in self._connection.execute(
            _QUERIES["keys_in_common"]
        ):
            more = f" and {others:,} more" if others else ""
            text = f"they hold the same {fields}"
            judge.note(Note(CREDENTIALS, row_id, f"{names}{more}, {exchange}", "same-secret", text))
