"""Asks the database whether accounts may use exchanges."""

from typing import Any

import psycopg

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.execution.executor import Check
from registry.rules.stops import Stop

_QUERIES = load_queries("registry.execution")


class AllowedCheck(Check):
    """See `executor.Check`: refuses an exchange that an account may not use, tells of a stop."""

    def __init__(self, account_name: str, exchange: str) -> None:
        self.notes: tuple[str, ...] = ()
        self._parameters = {"account_name": account_name, "exchange": exchange}

    def send(self, connection: Connection) -> psycopg.Cursor[Any]:
        """See `Check`."""
        return connection.execute(_QUERIES["require_allowed"], self._parameters)

    def take(self, answer: psycopg.Cursor[Any]) -> None:
        """See `Check`; the database has refused it by an error, or not."""
        row = answer.fetchone()
        if row and row[1]:
            self.notes = (f"it is not to be used now: {Stop.of(row[1])}",)
