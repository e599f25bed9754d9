"""Commands about exchanges of one's own and the fields of their credentials."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg

from registry.catalog.catalog import built_in_exchanges, is_definition
from registry.catalog.defining import Definition, check_definition, check_variables
from registry.database.connection import Connection
from registry.database.queries import load_queries, one_row
from registry.errors import ExchangeExists, ExchangeNotFound, InvalidInput
from registry.events.exchanges import ExchangeAdded, ExchangeRemoved, ExchangeUpdated
from registry.execution.executor import Decided
from registry.execution.first_use import exchange_stream, new_row, send_row
from registry.execution.lookup import exchange_not_found
from registry.execution.required import Required
from registry.hints import Command, Hint
from registry.log.append import NewEvent
from registry.shown import shown

_QUERIES = load_queries("registry.execution")


@dataclass(frozen=True, slots=True)
class ExchangeChanges:
    """What changes in a definition; None changes nothing."""

    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name -> the field that is added, or stands for the one of this name from now on."""
    without: tuple[str, ...] = ()
    display_name: str | None = None
    ccxt_id: str | None = None
    nonce_per_key: bool | None = None

    def applied(self, before: Definition) -> Definition:
        """The definition with these changes.

        Raises:
            InvalidInput: it has no field of a name that is to go.
        """
        fields = {given["name"]: given for given in before.fields}
        for name in self.without:
            if fields.pop(name, None) is None:
                known = ", ".join(fields)
                raise InvalidInput(
                    f"{before.name} has no field {shown(name)}", hint=f"Its fields are: {known}."
                )
        nonces = before.nonce_per_key if self.nonce_per_key is None else self.nonce_per_key
        return Definition(
            before.name,
            self.display_name or before.display_name,
            list({**fields, **self.fields}.values()),
            self.ccxt_id or before.ccxt_id,
            nonce_per_key=nonces,
        )


class _ExchangeTask:
    """A command about one exchange; ExchangeInUse if a credential or share needs what would go."""

    verb = ""

    def __init__(self, name: str, content: Mapping[str, Any]) -> None:
        self._name = name
        self._content = content
        self._stream = exchange_stream(name)

    def send_reads(self, connection: Connection) -> None:
        self._row: psycopg.Cursor[Any] = send_row(connection, self._name)
        self._others = connection.execute(_QUERIES["exchanges"])

    def content(self) -> Mapping[str, Any]:
        return {"verb": self.verb, "exchange": self._name, **self._content}

    def _check(self, definition: Definition) -> None:
        check_definition(definition)
        others = {name: data for _, name, data, _ in self._others if is_definition(data)}
        check_variables(definition, others)

    def _current(self) -> tuple[Definition, int, int]:
        """The definition, the exchange's id, and the version of its stream.

        Raises:
            ExchangeNotFound: users have not defined it.
        """
        known_id, _, _, data, version, names = one_row(self._row)
        if data is not None and is_definition(data):
            return Definition.of(data), data["exchange_id"], version
        if known_id is None and self._name not in built_in_exchanges():
            raise exchange_not_found(self._name, names)
        spec = built_in_exchanges().get(self._name)
        by_hand = spec is not None and not spec.generated
        raise ExchangeNotFound(
            f"the fields of {shown(self._name)} are not an own definition",
            hint="They are built in, and the same for everybody."
            if by_hand
            else Hint("Define them with: ", Command("add-exchange", self._name)),
        )


class AddExchange(_ExchangeTask):
    """Defines an exchange, and adds a row to `dexes` if there is none."""

    verb = "add-exchange"

    def __init__(self, definition: Definition) -> None:
        """Errors as `check_definition`."""
        check_definition(definition)
        super().__init__(definition.name, definition.content())
        self._definition = definition

    def decide(self) -> Decided:
        """See `Task`.

        Raises:
            ExchangeExists: it is built in, or defined.
        """
        definition = self._definition
        known_id, new_id, has_details, before, version, _ = one_row(self._row)
        if is_definition(before):
            raise ExchangeExists(
                f"the exchange {definition.name} was defined before",
                hint=Hint("Correct it with: ", Command("update-exchange", definition.name)),
            )
        built_in = built_in_exchanges().get(definition.name)
        if built_in is not None and not built_in.generated:
            raise ExchangeExists(
                f"the exchange {definition.name} is built in",
                hint=Hint("See: ", Command("exchanges")),
            )
        self._check(definition)
        exchange_id = new_id if known_id is None else known_id
        event = ExchangeAdded(exchange_id=exchange_id, **definition.of_event())
        # An existing row, made by the bot, stays unchanged.
        row = (definition.name, definition.display_name, new_id)
        writes = [] if new_id is None else [new_row(*row, has_details=has_details)]
        notes = () if built_in is None else (_takes_place(definition.name, list(built_in.fields)),)
        checks = [_holding(exchange_id, definition)]
        return Decided([NewEvent(self._stream, version + 1, event)], writes, notes, checks)


class UpdateExchange(_ExchangeTask):
    """Corrects a definition; ExchangeNotFound if users have not defined it."""

    verb = "update-exchange"

    def __init__(self, name: str, changes: ExchangeChanges) -> None:
        super().__init__(name, asdict(changes))
        self._changes = changes

    def decide(self) -> Decided:
        """See `Task`."""
        before, exchange_id, version = self._current()
        after = self._changes.applied(before)
        if after.of_event() == before.of_event():
            return Decided([])
        self._check(after)
        event = ExchangeUpdated(exchange_id=exchange_id, **after.of_event())
        checks = [_holding(exchange_id, after)]
        return Decided([NewEvent(self._stream, version + 1, event)], checks=checks)


class RemoveExchange(_ExchangeTask):
    """Removes a definition; ExchangeNotFound if users have not defined it."""

    verb = "remove-exchange"

    def decide(self) -> Decided:
        """See `Task`."""
        _, exchange_id, version = self._current()
        event = ExchangeRemoved(exchange=self._name, exchange_id=exchange_id)
        return Decided(
            [NewEvent(self._stream, version + 1, event)], checks=[_holding(exchange_id, None)]
        )


def _holding(exchange_id: int, definition: Definition | None) -> Required:
    """The check that no credential holds a field that the definition does not have."""
    fields = [] if definition is None else [given["name"] for given in definition.fields]
    return Required("require_fields", exchange_id=exchange_id, fields=fields)


def _takes_place(name: str, fields: list[str]) -> str:
    return (
        f"this definition takes the place of the catalog's, which knows {name} with "
        f"the fields {', '.join(fields)}"
    )
