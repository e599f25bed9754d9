"""Verbs about exchanges."""

from typing import TYPE_CHECKING, Annotated, Any, Final

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


Exchange = Annotated[str, typer.Argument(metavar="EXCHANGE", help="Its name in dexes.")]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="NAME=ENV[:FLAG]…",
        help="A field and its variable; flags: public, optional, integer, ccxt=NAME, kind=KIND. "
        "May be repeated.",
    ),
]
DisplayName = Annotated[str | None, typer.Option("--display-name", metavar="TEXT")]
Ccxt = Annotated[
    str | None, typer.Option("--ccxt", metavar="ID", help="The exchange's id in ccxt.")
]
_NONCES: Final = "Two bots on one key break each other's orders."


@verb(changes=True)
def add_exchange(
    run: Run,
    exchange: Exchange,
    field: Fields = None,
    display_name: DisplayName = None,
    ccxt: Ccxt = None,
    nonce_per_key: Annotated[bool, typer.Option("--nonce-per-key", help=_NONCES)] = False,
) -> None:
    """Define an exchange of your own: what its credential consists of."""
    outcome = run.registry.exchanges.add(
        exchange,
        [_field(text) for text in field or []],
        display_name=display_name,
        ccxt=ccxt,
        nonce_per_key=nonce_per_key,
        **run.by,
    )
    tell(run, outcome, f"defined exchange {exchange}", exchange=exchange)


@verb(changes=True)
def update_exchange(
    run: Run,
    exchange: Exchange,
    field: Fields = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="FIELD", help="A field that goes; may be repeated."),
    ] = None,
    display_name: DisplayName = None,
    ccxt: Ccxt = None,
    nonce_per_key: Annotated[
        bool | None, typer.Option("--nonce-per-key/--no-nonce-per-key", help=_NONCES)
    ] = None,
) -> None:
    """Correct the definition of an exchange of your own; what is not named stays."""
    outcome = run.registry.exchanges.update(
        exchange,
        field=[_field(text) for text in field or []],
        without=without or [],
        display_name=display_name,
        ccxt=ccxt,
        nonce_per_key=nonce_per_key,
        **run.by,
    )
    tell(run, outcome, f"corrected exchange {exchange}", exchange=exchange)


@verb(changes=True)
def remove_exchange(run: Run, exchange: Exchange) -> None:
    """Remove the definition of an exchange of your own that nothing uses."""
    outcome = run.registry.exchanges.remove(exchange, **run.by)
    tell(run, outcome, f"removed the definition of exchange {exchange}", exchange=exchange)


def _field(text: str) -> dict[str, Any]:
    name_and_env, *flags = text.split(":")
    name, equals, env = name_and_env.partition("=")
    said = {key: value for key, _, value in (flag.partition("=") for flag in flags)}
    bare = {"public", "optional", "integer"}
    wrong = [flag for flag in said if bool(said[flag]) is (flag in bare)]
    if not equals or wrong or said.keys() - bare - {"ccxt", "kind"}:
        raise InvalidInput(
            f"--field {text!r} is not NAME=ENV, followed by :public, :optional, :integer, "
            ":ccxt=NAME or :kind=KIND",
            hint="It looks like --field key=DESK_API_KEY:ccxt=apiKey --field uid=DESK_UID:public.",
        )
    return {
        "name": name,
        "env": env,
        "secret": "public" not in said,
        "required": "optional" not in said,
        "type": "integer" if "integer" in said else "text",
        **{key: said[key] for key in ("ccxt", "kind") if key in said},
    }
