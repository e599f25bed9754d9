"""Verbs about exchanges."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.commands._changes import tell
from registry.commands._output import Output
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import InvalidInput

if TYPE_CHECKING:
    from registry.catalog.specification import FieldSpec
    from registry.services.reading.exchanges import KnownExchange


@verb()
def exchanges(run: Run) -> None:
    """List the exchanges and the fields of their credentials."""
    data = [_data(exchange) for exchange in run.registry.exchanges.list()]
    run.output.result(data, lambda: _table(run.output, data))


def _data(exchange: "KnownExchange") -> dict[str, Any]:
    spec = exchange.spec
    return {
        "exchange": exchange.name,
        "id": exchange.id,
        "credentials": exchange.credentials,
        "built_in": spec is not None and spec.built_in,
        "ccxt_id": None if spec is None else spec.ccxt_id,
        "fields": [] if spec is None else [_field_data(field) for field in spec.fields.values()],
    }


def _field_data(field: "FieldSpec") -> dict[str, Any]:
    names = ("name", "env", "secret", "required", "type", "default")
    return {name: getattr(field, name) for name in names} | {"env": field.env or None}


_UNKNOWN: dict[str, Any] = {
    "name": "(not known: see add-exchange)",
    "env": None,
    "secret": None,
    "required": None,
    "default": None,
}


def _table(output: Output, exchanges: list[dict[str, Any]]) -> None:
    headings = {"exchange": "exchange", "field": "name", "variable": "env"}
    headings |= {name: name for name in ("secret", "required", "default")}
    rows = [
        {**field, "exchange": exchange["exchange"] if number == 0 else ""}
        for exchange in exchanges
        for number, field in enumerate(exchange["fields"] or [_UNKNOWN])
    ]
    output.records(headings, rows)


@verb(changes=True)
def add_exchange(
    run: Run,
    exchange: Annotated[str, typer.Argument(metavar="EXCHANGE", help="Its name in dexes.")],
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            metavar="NAME=ENV[:public][:optional][:integer]",
            help="A field and its variable; secret, required text unless said. May be repeated.",
        ),
    ] = None,
    display_name: Annotated[str | None, typer.Option("--display-name", metavar="TEXT")] = None,
    ccxt: Annotated[
        str | None, typer.Option("--ccxt", metavar="ID", help="The exchange's id in ccxt.")
    ] = None,
) -> None:
    """Define an exchange that is not built in: what its credential consists of."""
    fields = [_field(text) for text in field or []]
    outcome = run.registry.exchanges.add(
        exchange, fields, display_name=display_name, ccxt=ccxt, **run.by
    )
    tell(run, outcome, f"defined exchange {exchange}", exchange=exchange)


def _field(text: str) -> dict[str, Any]:
    name_and_env, *flags = text.split(":")
    name, equals, env = name_and_env.partition("=")
    unknown = set(flags) - {"public", "optional", "integer"}
    if not equals or unknown:
        raise InvalidInput(
            f"--field {text!r} is not NAME=ENV, followed by :public, :optional or :integer",
            hint="It looks like --field api_key=BINANCE_API_KEY --field uid=BINANCE_UID:public.",
        )
    return {
        "name": name,
        "env": env,
        "secret": "public" not in flags,
        "required": "optional" not in flags,
        "type": "integer" if "integer" in flags else "text",
    }
