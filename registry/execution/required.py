"""Rules that the database itself checks within a command."""

from typing import Any

import psycopg

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.execution.executor import Check
from registry.rules.stops import Stop

_QUERIES = load_queries("registry.execution")


class Required(Check):
    """See `executor.Check`: a query of a function that fails where its rule is broken."""

    def __init__(self, query: str, **parameters: Any) -> None:
        self._query = _QUERIES[query]
        self._parameters = parameters

    def send(self, connection: Connection) -> psycopg.Cursor[Any]:
        """See `Check`."""
        return connection.execute(self._query, self._parameters)

    def take(self, answer: psycopg.Cursor[Any]) -> None:
        """See `Check`; the database has answered by an error, or not."""


class AllowedCheck(Required):
    """Refuses an exchange that an account may not use, and tells of a stop."""

    def __init__(self, account_name: str, exchange: str) -> None:
        super().__init__("require_allowed", account_name=account_name, exchange=exchange)

    def take(self, answer: psycopg.Cursor[Any]) -> None:
        """See `Check`."""
        row = answer.fetchone()
        if row and row[1]:
            self.notes = (f"it is not to be used now: {Stop.of(row[1])}",)
