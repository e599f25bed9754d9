"""The check that a secret is one account's."""

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from registry.catalog.specification import ExchangeSpec
from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.events.credentials import SealedVersion
from registry.execution.executor import Check
from registry.rules.account_state import Slot

_QUERIES = load_queries("registry.execution")


class SecretCheck(Check):
    """See `executor.Check`: refuses a secret that another account holds, unless allowed.

    A public value can show that it is another account at the exchange (a vault's address, a
    subaccount's number). Then the secret is accepted with a note. So is one that another slot held
    and gave up; of its own slot the rules know (`came_back`).
    """

    def __init__(
        self, account: str, spec: ExchangeSpec, event: SealedVersion, *, allowed: bool
    ) -> None:
        self._account = account
        self._spec = spec
        self._event = event
        self._allowed = allowed

    def send(self, connection: Connection) -> psycopg.Cursor[Any]:
        """See `Check`."""
        fingerprints = self._event.fingerprints
        keys, public = self._spec.keys(fingerprints), self._spec.telling_apart(fingerprints)
        parameters = {
            "credential_id": self._event.credential_id,
            "account": self._account,
            "secrets": Jsonb(keys),
            "public": Jsonb(public),
            "allowed": self._allowed,
        }
        return connection.execute(_QUERIES["holders_of_secrets"], parameters)

    def take(self, answer: psycopg.Cursor[Any]) -> None:
        """See `Check`."""
        self.notes = tuple(self._note(*row) for row in answer)

    def _note(
        self, account: str, exchange: str, subaccount: int | None, permission: str, *found: Any
    ) -> str:
        fields, is_elsewhere, given_up = found
        slot = Slot(0, exchange, subaccount, permission)
        if given_up is not None:
            return f"{account} for {slot} held the same {fields} before, in version {given_up}"
        if account == self._account:
            return f"{account} holds the same {fields} for {slot} already"
        apart = ", and they are two accounts at the exchange" if is_elsewhere else ""
        return f"{self._account} and {account} hold the same {fields} for {exchange}{apart}"
