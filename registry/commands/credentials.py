"""Verbs that change credentials. Secrets come by prompt, file or standard input only."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from registry.commands._changes import tell, versions
from registry.commands._client_config import ClientConfigFile, read_config
from registry.commands._options import (
    AllowOtherAccount,
    AllowSharedSecret,
    Cascade,
    Clear,
    DetailOptions,
    SlotOptions,
    Yes,
)
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import InvalidInput

if TYPE_CHECKING:
    from registry.catalog.specification import Field

FromJson = Annotated[
    str | None,
    typer.Option(
        "--from-json",
        metavar="FILE|-",
        help="Read the fields from a JSON object in a file, or from standard input.",
    ),
]

_MAX_INPUT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CredentialOptions(DetailOptions):
    """The details of a credential, apart from its secrets."""

    label: Annotated[str | None, typer.Option("--label", metavar="TEXT")] = None
    expires_at: Annotated[
        str | None,
        typer.Option(
            "--expires-at",
            metavar="TIME",
            help="When the exchange ends it, such as 2027-01-31 or 90d from now.",
        ),
    ] = None
    ip_allow_list: Annotated[
        list[str] | None,
        typer.Option("--ip", metavar="IP", help="An address the key is bound to; may be repeated."),
    ] = None
    exchange_account_id: Annotated[
        str | None,
        typer.Option("--exchange-account", metavar="ID", help="The account's id at the exchange."),
    ] = None


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """The options with which `add-credential` and `replace-credential` store a credential."""

    from_json: FromJson = None
    cascade: Cascade = False
    allow_shared_secret: AllowSharedSecret = False
    allow_other_account: AllowOtherAccount = False
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Ask the exchange first; a key that does not work is not stored."
        ),
    ] = False
    client_config: ClientConfigFile = None


@verb(changes=True)
def add_credential(
    run: Run, slot: SlotOptions, details: CredentialOptions, how: StoreOptions
) -> None:
    """Store a credential in an empty slot. It asks for its fields on a terminal."""
    _store(run, slot, details, how, "add")


@verb(changes=True)
def replace_credential(
    run: Run, slot: SlotOptions, details: CredentialOptions, how: StoreOptions
) -> None:
    """Replace a credential's secrets. It asks for the next version's on a terminal."""
    _store(run, slot, details, how, "replace")


def _store(
    run: Run,
    slot: SlotOptions,
    details: CredentialOptions,
    how: StoreOptions,
    mode: Literal["add", "replace"],
) -> None:
    by = run.by
    config = read_config(how.client_config)
    if config is not None and not how.check:
        raise InvalidInput("--client-config is for the exchange's client, with --check only")
    fields = fields_given(
        run,
        slot,
        how.from_json,
        replace=mode == "replace",
        allow_other_account=how.allow_other_account,
    )
    store = getattr(run.registry.credentials, mode)
    outcome = store(
        *slot.place,
        fields,
        **slot.which,
        **details.given(),
        cascade=how.cascade,
        allow_shared_secret=how.allow_shared_secret,
        check=how.check,
        client_config=config,
        **by,
    )
    what = "added a credential" if mode == "add" else "replaced the credential"
    of = f"{slot.account} for {versions(outcome.stored[0])}" if outcome.stored else str(slot)
    tell(run, outcome, f"{what} of {of}", **slot.facts)
    run.warn_of_readers(*([how.from_json] if how.from_json else []))


def fields_given(
    run: Run,
    slot: SlotOptions,
    from_json: str | None,
    *,
    allow_other_account: bool,
    **how: bool,
) -> "dict[str, Field]":
    """The fields of a key, from a file, standard input or a person.

    Raises:
        InvalidInput: there is none of them, or it holds no fields.
        OtherAccountNamed: the file names another account.
    """
    if from_json is None:
        from registry.commands._ask import ask_for_fields

        return ask_for_fields(run, slot, **how)
    run.keyring()
    if not allow_other_account:
        _check_file(run, slot, from_json)
    return _read_fields(from_json, slot.exchange)


def _check_file(run: Run, slot: SlotOptions, source: str) -> None:
    from registry.services.importing.names import check_names, said_by_path

    check_names(run.database, slot.account, said_by_path(Path(source)), [slot.exchange])


@verb(changes=True)
def update_credential(
    run: Run, slot: SlotOptions, details: CredentialOptions, clear: Clear = None
) -> None:
    """Change label, expiry, bound addresses or account id."""
    changes = slot.which | details.changes(clear)
    outcome = run.registry.credentials.update(*slot.place, **changes, **run.by)
    tell(run, outcome, f"updated the credential of {slot}", **slot.facts)


@verb(changes=True)
def deactivate_credential(run: Run, slot: SlotOptions, cascade: Cascade = False) -> None:
    """Stop a credential. It cannot be used until it is reactivated."""
    credentials = run.registry.credentials
    outcome = credentials.deactivate(*slot.place, cascade=cascade, **slot.which, **run.by)
    tell(run, outcome, f"deactivated the credential of {slot}", **slot.facts)


@verb(changes=True)
def reactivate_credential(run: Run, slot: SlotOptions) -> None:
    """Let a deactivated credential be used again."""
    outcome = run.registry.credentials.reactivate(*slot.place, **slot.which, **run.by)
    tell(run, outcome, f"reactivated the credential of {slot}", **slot.facts)


@verb(changes=True)
def remove_credential(
    run: Run,
    slot: SlotOptions,
    cascade: Cascade = False,
    destroy: Annotated[
        bool,
        typer.Option("--destroy", help="Destroy its secrets for ever; nothing brings them back."),
    ] = False,
    yes: Yes = False,
) -> None:
    """Remove a credential; the history keeps it, encrypted."""
    for_ever = " and destroy its secrets for ever" if destroy else ""
    run.confirm(f"Remove the credential of {slot}{for_ever}?", yes=yes)
    outcome = run.registry.credentials.remove(
        *slot.place, cascade=cascade, destroy=destroy, **slot.which, **run.by
    )
    tell(run, outcome, f"removed the credential of {slot}", **slot.facts)


def _read_fields(source: str, exchange: str) -> "dict[str, Field]":
    from registry.catalog.specification import fields_of
    from registry.machine import bytes_of_input, text_of
    from registry.values import parse_json

    where = "standard input" if source == "-" else source
    given = bytes_of_input(Path(source), limit=_MAX_INPUT)
    fields = parse_json(text_of(given, where, limit=_MAX_INPUT), where)
    if not isinstance(fields, dict):
        raise InvalidInput(
            f"{where} does not hold a JSON object",
            hint="""It looks like {"api_key": "…", "secret_key": "…"}.""",
        )
    return fields_of(exchange, fields)
