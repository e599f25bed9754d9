"""The exchanges of a command that stores credentials; ccxt's get their row when first used."""

from collections.abc import Iterable
from typing import Any

import psycopg

from registry.catalog.catalog import built_in_exchanges, specification
from registry.catalog.specification import ExchangeSpec
from registry.database.connection import Connection
from registry.database.queries import load_queries, one_row
from registry.events.exchanges import ExchangeAdded
from registry.events.stored import Stream
from registry.execution.executor import Write
from registry.execution.lookup import exchange_not_found, exchange_stream_id
from registry.execution.required import Required
from registry.log.append import NewEvent

_QUERIES = load_queries("registry.execution")


def exchange_stream(name: str) -> Stream:
    """The stream of what users said of an exchange."""
    return Stream("exchange", exchange_stream_id(name))


def send_row(connection: Connection, name: str) -> psycopg.Cursor[Any]:
    """Sends the query for an exchange's row, with a new id if it has none."""
    stream_id = exchange_stream_id(name)
    return connection.execute(_QUERIES["exchange_row"], {"name": name, "stream_id": stream_id})


def new_row(name: str, display_name: str, new_id: int, *, has_details: bool) -> Write:
    """Adds the row of an exchange."""
    statement = "add_exchange" if has_details else "add_bare_exchange"
    row = {"id": new_id, "name": name, "display_name": display_name}
    return Write(_QUERIES[statement], row)


class Exchanges:
    """The exchanges of one decision, each looked up once for all accounts of the command."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: dict[str, psycopg.Cursor[Any]] = {}
        self._found: dict[str, tuple[int, ExchangeSpec]] = {}
        self.events: list[NewEvent] = []
        """The events of the exchanges that are used for the first time."""
        self.writes: list[Write] = []
        """Their rows."""
        self.checks: list[Required] = []
        """The checks that none was defined anew meanwhile."""

    def send(self, names: Iterable[str]) -> None:
        """Sends the queries for these exchanges."""
        for name in names:
            if name not in self._rows:
                self._rows[name] = send_row(self._connection, name)

    def find(self, name: str) -> tuple[int, ExchangeSpec]:
        """The exchange's id, and its fields.

        Raises:
            ExchangeNotFound: there is none, or its fields are not known.
        """
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> tuple[int, ExchangeSpec]:
        known_id, new_id, has_details, definition, version, names = one_row(self._rows[name])
        if known_id is None and name not in built_in_exchanges():
            raise exchange_not_found(name, names)
        spec = specification(name, definition)
        if known_id is None:
            version += 1
            event = ExchangeAdded(
                exchange=name, exchange_id=new_id, display_name=spec.display_name, fields=[]
            )
            self.events.append(NewEvent(exchange_stream(name), version, event))
            self.writes.append(new_row(name, spec.display_name, new_id, has_details=has_details))
        if not spec.built_in or spec.generated:
            stream_id = exchange_stream_id(name)
            check = Required("require_definition", stream_id=stream_id, version=version)
            self.checks.append(check)
        return new_id if known_id is None else known_id, spec
