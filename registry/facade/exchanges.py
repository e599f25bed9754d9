"""`Registry.exchanges`: the known exchanges, and the fields of their credentials."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from pydantic import ValidationError

from registry.catalog.specification import ExchangeSpec
from registry.errors import InvalidInput
from registry.events.exchanges import FieldDefinition
from registry.execution.executor import Outcome
from registry.facade.checking import checked
from registry.facade.context import Context
from registry.facade.given import By
from registry.services.changes.exchanges import ExchangeDefinition, add_exchange
from registry.services.reading.exchanges import (
    KnownExchange,
    exchange_specification,
    list_exchanges,
)

KnownExchanges = list[KnownExchange]


@checked
class Exchanges:
    """The exchanges of the database."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def list(self) -> KnownExchanges:
        """All exchanges, with the fields of their credentials if known."""
        return list_exchanges(self._context)

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
        **by: Unpack[By],
    ) -> Outcome:
        """Defines an exchange that is not built in.

        Example of a field: `{"name": "api_key", "env": "BINANCE_API_KEY"}`. By default a field is
        a required secret text; `secret`, `type` and `required` change that.
        """
        fields = [_checked(definition_of_field) for definition_of_field in field]
        definition = ExchangeDefinition(exchange, display_name or exchange, fields, ccxt)
        return add_exchange(self._context, definition, self._context.invocation(by))


def _checked(field: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        FieldDefinition.model_validate(field)
    except ValidationError as error:
        wrong = error.errors(include_input=False)[0]
        part = ".".join(map(str, wrong["loc"])) or "it"
        raise InvalidInput(f"a field of an exchange is not valid: {part}: {wrong['msg']}") from None
    return field
