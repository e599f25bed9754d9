"""Commands about exchanges and the fields of their credentials."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from registry.catalog.catalog import built_in_exchanges
from registry.catalog.variables import HINT, can_carry_a_credential
from registry.database.connection import Connection, Database
from registry.database.queries import load_queries, one_row
from registry.errors import (
    ExchangeExists,
    InvalidInput,
)
from registry.events.stored import Stream
from registry.execution.executor import CommandExecutor, Decided, Invocation, Outcome, Write
from registry.execution.lookup import exchange_stream_id
from registry.hints import Command, Hint
from registry.log.append import NewEvent
from registry.log.reading import events_of, send_stream
from registry.shapes import refuse_keys_within
from registry.values import exchange_name, short_text

_QUERIES = load_queries("registry.execution")
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")


@dataclass(frozen=True, slots=True)
class ExchangeDefinition:
    """The definition of a new exchange, as the caller gives it."""

    name: str
    display_name: str
    fields: Sequence[Mapping[str, Any]]
    """As `registry.events.exchanges.FieldDefinition`."""
    ccxt_id: str | None = None


def add_exchange(
    database: Database, definition: ExchangeDefinition, invocation: Invocation
) -> Outcome:
    """Defines an exchange, and adds a row to `dexes` if there is none.

    Raises:
        ExchangeExists: it is built in, or was defined before with other fields.
        InvalidInput: a name is not acceptable, or there is no field.
    """
    _check(definition)
    return CommandExecutor(database).execute(_AddExchange(definition), invocation)


class _AddExchange:
    def __init__(self, definition: ExchangeDefinition) -> None:
        self._definition = definition
        self._stream = Stream("exchange", exchange_stream_id(definition.name))

    def send_reads(self, connection: Connection) -> None:
        self._events: psycopg.Cursor[Any] = send_stream(connection, self._stream)
        self._ids = connection.execute(_QUERIES["exchange_ids"], {"name": self._definition.name})

    def content(self) -> Mapping[str, Any]:
        definition = self._definition
        return {
            "verb": "add-exchange",
            "exchange": definition.name,
            "display_name": definition.display_name,
            "fields": list(definition.fields),
            "ccxt_id": definition.ccxt_id,
        }

    def decide(self) -> Decided:
        from registry.events.exchanges import ExchangeAdded, FieldDefinition

        definition = self._definition
        existing = events_of(self._events)
        if existing:
            raise ExchangeExists(
                f"the exchange {definition.name} was defined before",
                hint=Hint("See: ", Command("exchanges")),
            )
        known_id, new_id, has_details = one_row(self._ids)
        event = ExchangeAdded(
            exchange=definition.name,
            exchange_id=new_id if known_id is None else known_id,
            display_name=definition.display_name,
            fields=[FieldDefinition(**field) for field in definition.fields],
            ccxt_id=definition.ccxt_id,
        )
        row = {"id": new_id, "name": definition.name, "display_name": definition.display_name}
        statement = "add_exchange" if has_details else "add_bare_exchange"
        # An existing row, made by the bot, stays unchanged.
        writes = [] if new_id is None else [Write(_QUERIES[statement], row)]
        return Decided([NewEvent(self._stream, 1, event)], writes)


def _check(definition: ExchangeDefinition) -> None:
    refuse_keys_within(
        [definition.name, definition.ccxt_id, *map(dict, definition.fields)],
        "the definition of an exchange",
    )
    exchange_name(definition.name)
    short_text(definition.display_name, "a display name", limit=100)
    if definition.name in built_in_exchanges():
        raise ExchangeExists(
            f"the exchange {definition.name} is built in", hint=Hint("See: ", Command("exchanges"))
        )
    if not definition.fields:
        raise InvalidInput("an exchange's credential needs one field at least")
    for part in ("name", "env"):
        names = [field[part] for field in definition.fields]
        if len(set(names)) != len(names):
            raise InvalidInput(f"two fields have the same {part}")
    for field in definition.fields:
        if not _FIELD_NAME.fullmatch(field["name"]):
            raise InvalidInput(
                f"{field['name']!r} is not a field name",
                hint="It looks like api_key: a-z, 0-9 and _.",
            )
        if not can_carry_a_credential(definition.name, field["env"]):
            raise InvalidInput(
                f"{field['env']!r} is not the name of a variable for a credential of "
                f"{definition.name}",
                hint=HINT,
            )
