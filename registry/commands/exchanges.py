"""Verbs about exchanges."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from registry.commands._changes import tell
from registry.commands._lists import ListOptions, columns, none_fits, show_list
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import InvalidInput

if TYPE_CHECKING:
    from registry.catalog.specification import FieldSpec
    from registry.services.reading.exchanges import KnownExchange


_LIST: Final = columns(
    "exchanges",
    {
        "exchange": "exchange",
        "credentials": "credentials",
        "ccxt": "ccxt_id",
        "required fields": "required",
    },
    {"built in": "built_in", "further fields": "optional", "id": "id"},
    under=("required fields", "built in", "further fields", "id"),
    seen=lambda exchange: {
        **exchange,
        "required": [field["name"] for field in exchange["fields"] if field["required"]],
        "optional": [field["name"] for field in exchange["fields"] if not field["required"]],
    },
)
_ONE: Final = {
    "exchange": "exchange",
    "name": "display_name",
    "credentials": "credentials",
    "built in": "built_in",
    "ccxt": "ccxt_id",
    "test system": "test_system",
    "nonces": "nonces",
}
_NOT_KNOWN: Final = "Its fields are not known: see add-exchange."
_FIELD: Final = {"field": "name", "variable": "env", "secret": "secret", "required": "required"}
_FIELD_WIDE: Final = {"type": "type", "default": "default"}


@verb()
def exchanges(
    run: Run,
    how: ListOptions,
    exchange: Annotated[
        str | None, typer.Argument(metavar="[EXCHANGE]", help="Only this one, with its fields.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only those with this in their name.")
    ] = None,
    in_use: Annotated[bool, typer.Option("--in-use", help="Only those with a credential.")] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Also the exchanges of ccxt that nobody has used yet.")
    ] = False,
) -> None:
    """List the exchanges, or the fields of one."""
    if exchange is not None:
        _show_one(run, exchange, how)
        return
    found = map(_data, run.registry.exchanges.list(search=search, every=every))
    fitting = [one for one in found if one["credentials"] or not in_use]

    def none() -> str:
        asked = {"search": search, "in_use": in_use or None}
        return none_fits("exchange", asked, lambda: len(run.registry.exchanges.list(every=True)))

    show_list(run, how, _LIST, fitting, none)


def _show_one(run: Run, name: str, how: ListOptions) -> None:
    known = map(_data, run.registry.exchanges.list(every=True))
    found = next((one for one in known if one["exchange"] == name), None)
    if found is None:
        run.registry.exchanges.get(name)  # says what is like it
        return

    def text() -> None:
        run.output.facts((heading, found[n]) for heading, n in _ONE.items())
        run.output.line("")
        columns = {**_FIELD, **_FIELD_WIDE} if how.wide else _FIELD
        run.output.listed(columns, found["fields"], lambda: _NOT_KNOWN)

    run.output.result([found], text, cut="")


def _data(exchange: "KnownExchange") -> dict[str, Any]:
    from registry.catalog.catalog import has_test_system

    spec = exchange.spec
    return {
        "exchange": exchange.name,
        "display_name": None if spec is None else spec.display_name,
        "id": exchange.id,
        "credentials": exchange.credentials,
        "built_in": spec is not None and spec.built_in,
        "ccxt_id": None if spec is None else spec.ccxt_id,
        "test_system": spec is not None and has_test_system(spec.ccxt_id),
        "nonces": None if spec is None else spec.nonces,
        "fields": [] if spec is None else [_field_data(field) for field in spec.fields.values()],
    }


def _field_data(field: "FieldSpec") -> dict[str, Any]:
    names = ("name", "env", "secret", "required", "type", "default")
    return {name: getattr(field, name) for name in names} | {"env": field.env or None}


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
    """Define an exchange of your own."""
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
        list[str] | None, typer.Option(metavar="FIELD", help="A field that goes; may be repeated.")
    ] = None,
    display_name: DisplayName = None,
    ccxt: Ccxt = None,
    nonce_per_key: Annotated[
        bool | None, typer.Option("--nonce-per-key/--no-nonce-per-key", help=_NONCES)
    ] = None,
) -> None:
    """Correct the definition of an exchange of your own. What is not named stays."""
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
    """Remove the definition of an exchange. It is one of your own that nothing uses."""
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
