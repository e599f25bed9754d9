"""Commands about exchanges and the fields of their credentials."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.catalog.catalog import built_in_exchanges, is_definition
from registry.catalog.specification import can_carry_a_credential
from registry.database.connection import Connection, Database
from registry.database.queries import one_row
from registry.errors import (
    ExchangeExists,
    InvalidInput,
)
from registry.execution.executor import CommandExecutor, Decided, Invocation, Outcome
from registry.execution.first_use import exchange_stream, new_row, send_row
from registry.hints import Command, Hint
from registry.log.append import NewEvent
from registry.shapes import refuse_keys_within
from registry.values import exchange_name, short_text

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
        self._stream = exchange_stream(definition.name)

    def send_reads(self, connection: Connection) -> None:
        self._row = send_row(connection, self._definition.name)

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
        known_id, new_id, has_details, before, version, _ = one_row(self._row)
        if is_definition(before):
            raise ExchangeExists(
                f"the exchange {definition.name} was defined before",
                hint=Hint("See: ", Command("exchanges")),
            )
        event = ExchangeAdded(
            exchange=definition.name,
            exchange_id=new_id if known_id is None else known_id,
            display_name=definition.display_name,
            fields=[FieldDefinition(**field) for field in definition.fields],
            ccxt_id=definition.ccxt_id,
        )
        # An existing row, made by the bot, stays unchanged.
        row = (definition.name, definition.display_name, new_id)
        writes = [] if new_id is None else [new_row(*row, has_details=has_details)]
        return Decided([NewEvent(self._stream, version + 1, event)], writes)


def _check(definition: ExchangeDefinition) -> None:
    refuse_keys_within(
        [definition.name, definition.ccxt_id, *map(dict, definition.fields)],
        "the definition of an exchange",
    )
    exchange_name(definition.name)
    short_text(definition.display_name, "a display name", limit=100)
    built_in = built_in_exchanges().get(definition.name)
    if built_in is not None and not built_in.generated:
        raise ExchangeExists(
            f"the exchange {definition.name} is built in", hint=Hint("See: ", Command("exchanges"))
        )
    if not definition.fields:
        raise InvalidInput("an exchange's credential needs one field at least")
    for field in definition.fields:
        if not _FIELD_NAME.fullmatch(field["name"]):
            raise InvalidInput(
                f"{field['name']!r} is not a field name",
                hint="It looks like api_key: a-z, 0-9 and _.",
            )
        if not can_carry_a_credential(field["env"]):
            raise InvalidInput(
                f"{field['env']!r} is not the name of a variable for a credential",
                hint="It looks like BINANCE_API_KEY.",
            )
    for part in ("name", "env"):
        names = [field[part] for field in definition.fields]
        if len(set(names)) != len(names):
            raise InvalidInput(f"two fields have the same {part}")
