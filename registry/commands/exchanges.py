"""Verbs about exchanges."""

from typing import Annotated, Any

import typer

from registry.commands._run import Run
from registry.commands._verb import verb

app = typer.Typer()


@app.command("exchanges")
@verb("exchanges")
def exchanges(run: Run) -> None:
    """List the exchanges and the fields of their credentials."""
    from registry.services.exchanges import list_exchanges

    known = list_exchanges(run.database)
    data: list[dict[str, Any]] = [
        {
            "exchange": one.name,
            "id": one.id,
            "credentials": one.credentials,
            "built_in": one.spec is not None and one.spec.built_in,
            "ccxt_id": None if one.spec is None else one.spec.ccxt_id,
            "fields": []
            if one.spec is None
            else [
                {
                    "name": field.name,
                    "env": field.env,
                    "secret": field.secret,
                    "required": field.required,
                    "type": field.type,
                    "default": field.default,
                }
                for field in one.spec.fields.values()
            ],
        }
        for one in known
    ]

    def text() -> None:
        run.output.table(
            ["exchange", "field", "variable", "secret", "required", "default"],
            [
                [
                    entry["exchange"] if number == 0 else "",
                    field["name"],
                    field["env"],
                    field["secret"],
                    field["required"],
                    field["default"],
                ]
                for entry in data
                for number, field in enumerate(entry["fields"] or [_UNKNOWN])
            ],
        )

    run.output.result(data, text)


_UNKNOWN: dict[str, Any] = {
    "name": "(not known: see add-exchange)",
    "env": None,
    "secret": None,
    "required": None,
    "default": None,
}


@app.command("add-exchange")
@verb("add-exchange", changes=True)
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
    from registry.commands._changes import tell
    from registry.services.exchanges import ExchangeDefinition
    from registry.services.exchanges import add_exchange as define

    definition = ExchangeDefinition(
        exchange, display_name or exchange, [_field(text) for text in field or []], ccxt
    )
    outcome = define(run.database, definition, run.invocation())
    tell(run, outcome, f"defined exchange {exchange}", exchange=exchange)


def _field(text: str) -> dict[str, Any]:
    from registry.errors import InvalidInput

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
