"""`Registry.exchanges`: the known exchanges, and the fields of their credentials."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from pydantic import ValidationError

from registry.catalog.defining import Definition
from registry.catalog.specification import ExchangeSpec
from registry.errors import InvalidInput
from registry.events.exchanges import FieldDefinition
from registry.execution.executor import Outcome
from registry.facade.checking import checked
from registry.facade.context import Part
from registry.facade.given import By
from registry.services.changes.exchanges import (
    AddExchange,
    ExchangeChanges,
    RemoveExchange,
    UpdateExchange,
)
from registry.services.reading.exchanges import (
    KnownExchange,
    exchange_specification,
    list_exchanges,
)

KnownExchanges = list[KnownExchange]


@checked
class Exchanges(Part):
    """The exchanges of the database."""

    def list(self, search: str | None = None, *, every: bool = False) -> KnownExchanges:
        """The exchanges of the bot and those in use, with the fields of their credentials.

        `every` adds all others of the catalog; `search` finds parts of names among all of them.
        """
        return list_exchanges(self._context, search, every=every)

    def get(self, exchange: str, *, account: str | None = None) -> ExchangeSpec:
        """The fields of one exchange's credential; `account`, if given, must exist."""
        return exchange_specification(self._context, exchange, account)

    def add(
        self,
        exchange: str,
        field: Sequence[Mapping[str, Any]],
        *,
        display_name: str | None = None,
        ccxt: str | None = None,
        nonce_per_key: bool = False,
        **by: Unpack[By],
    ) -> Outcome:
        """Defines an exchange, or other fields for one of ccxt's.

        Example of a field: `{"name": "key", "env": "DESK_KEY", "ccxt": "apiKey"}`. By default a
        field is a required secret text; `secret`, `type`, `kind` and `required` change that.
        `nonce_per_key`: two bots on one key break each other's orders.
        """
        definition = Definition(
            exchange, display_name or exchange, _checked(field), ccxt, nonce_per_key=nonce_per_key
        )
        return self._context.execute(AddExchange(definition), by)

    def update(
        self,
        exchange: str,
        *,
        field: Sequence[Mapping[str, Any]] = (),
        without: Sequence[str] = (),
        display_name: str | None = None,
        ccxt: str | None = None,
        nonce_per_key: bool | None = None,
        **by: Unpack[By],
    ) -> Outcome:
        """Corrects a definition: what is given changes, and the rest stays.

        A field takes the place of the one with its name. A field that a credential holds cannot
        go.
        """
        changes = ExchangeChanges(
            {given["name"]: given for given in _checked(field)},
            tuple(without),
            display_name,
            ccxt,
            nonce_per_key,
        )
        return self._context.execute(UpdateExchange(exchange, changes), by)

    def remove(self, exchange: str, **by: Unpack[By]) -> Outcome:
        """Removes a definition that no credential and no share uses; its row of `dexes` stays."""
        return self._context.execute(RemoveExchange(exchange, {}), by)


def _checked(fields: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    for field in fields:
        try:
            FieldDefinition.model_validate(field)
        except ValidationError as error:
            wrong = error.errors(include_input=False)[0]
            part = ".".join(map(str, wrong["loc"])) or "it"
            raise InvalidInput(
                f"a field of an exchange is not valid: {part}: {wrong['msg']}"
            ) from None
    return list(fields)
