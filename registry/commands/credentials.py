"""Verbs that change credentials. Secrets come by prompt, file or standard input only."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from registry.commands._run import Run
from registry.commands._verb import verb
from registry.commands.accounts import AccountName, Cascade, Yes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.catalog.specification import ExchangeSpec
    from registry.services.credentials import CredentialInput, CredentialService, SlotName

app = typer.Typer()

ExchangeName = Annotated[str, typer.Argument(metavar="EXCHANGE", help="See: exchanges.")]
Subaccount = Annotated[
    int | None,
    typer.Option("--subaccount", metavar="N", help="The subaccount at the exchange, from 0."),
]
PermissionOption = Annotated[
    Literal["full", "read_only"] | None,
    typer.Option("--permission", help="What the key can do at the exchange. [default: full]"),
]
FromJson = Annotated[
    str | None,
    typer.Option(
        "--from-json",
        metavar="FILE|-",
        help="Read the fields from a JSON object in a file, or from standard input.",
    ),
]
Label = Annotated[str | None, typer.Option("--label", metavar="TEXT")]
ExpiresAt = Annotated[
    str | None,
    typer.Option("--expires-at", metavar="TIME", help="When the exchange ends it, ISO 8601."),
]
IpAllowList = Annotated[
    list[str] | None,
    typer.Option("--ip", metavar="IP", help="An address the key is bound to; may be repeated."),
]
ExchangeAccount = Annotated[
    str | None,
    typer.Option("--exchange-account", metavar="ID", help="The account's id at the exchange."),
]

_MAX_INPUT = 1024 * 1024


def _details(
    label: str | None, expires_at: str | None, ip: list[str] | None, exchange_account: str | None
) -> dict[str, Any]:
    given = {
        "label": label,
        "expires_at": expires_at,
        "ip_allow_list": ip or None,
        "exchange_account_id": exchange_account,
    }
    return {name: value for name, value in given.items() if value is not None}


def _slot(exchange: str, subaccount: int | None, permission: Any) -> "SlotName":
    from registry.services.credentials import SlotName

    return SlotName(exchange, subaccount, permission)


@app.command("add-credential")
@verb("add-credential", changes=True)
def add_credential(
    run: Run,
    account: AccountName,
    exchange: ExchangeName,
    subaccount: Subaccount = None,
    permission: PermissionOption = None,
    from_json: FromJson = None,
    label: Label = None,
    expires_at: ExpiresAt = None,
    ip: IpAllowList = None,
    exchange_account: ExchangeAccount = None,
    cascade: Cascade = False,
) -> None:
    """Store a credential in an empty slot; asks for its fields on a terminal."""
    from registry.services.credentials import CredentialInput, Mode

    details = _details(label, expires_at, ip, exchange_account)
    given = CredentialInput(_slot(exchange, subaccount, permission), {}, details, Mode.ADD)
    _store(run, account, given, from_json, cascade=cascade)


@app.command("replace-credential")
@verb("replace-credential", changes=True)
def replace_credential(
    run: Run,
    account: AccountName,
    exchange: ExchangeName,
    subaccount: Subaccount = None,
    permission: PermissionOption = None,
    from_json: FromJson = None,
    label: Label = None,
    expires_at: ExpiresAt = None,
    ip: IpAllowList = None,
    exchange_account: ExchangeAccount = None,
    cascade: Cascade = False,
) -> None:
    """Replace a credential's secrets, as its next version; asks for them on a terminal."""
    from registry.services.credentials import CredentialInput, Mode

    details = _details(label, expires_at, ip, exchange_account)
    given = CredentialInput(_slot(exchange, subaccount, permission), {}, details, Mode.REPLACE)
    _store(run, account, given, from_json, cascade=cascade)


def _store(
    run: Run, account: str, given: "CredentialInput", from_json: str | None, *, cascade: bool
) -> None:
    from registry.commands._changes import tell
    from registry.services.credentials import CredentialService
    from registry.services.exchanges import exchange_specification

    exchange = given.slot.exchange
    invocation = run.invocation()
    keyring = run.keyring()  # before anybody types a secret in vain
    if from_json is None:
        fields: Mapping[str, Any] = _ask(exchange_specification(run.database, exchange))
    else:
        fields = _read_fields(from_json)
    outcome = CredentialService(run.database, keyring).store(
        account,
        [replace(given, fields=fields)],
        invocation,
        verb=run.output.verb,
        cascade=cascade,
    )
    what = "added a credential" if given.mode.value == "add" else "replaced the credential"
    tell(run, outcome, f"{what} of {account} for {exchange}", account=account, exchange=exchange)


@app.command("update-credential")
@verb("update-credential", changes=True)
def update_credential(
    run: Run,
    account: AccountName,
    exchange: ExchangeName,
    subaccount: Subaccount = None,
    permission: PermissionOption = None,
    label: Label = None,
    expires_at: ExpiresAt = None,
    ip: IpAllowList = None,
    exchange_account: ExchangeAccount = None,
    clear: Annotated[
        list[str] | None,
        typer.Option(
            "--clear",
            metavar="DETAIL",
            help="Empty label, expires-at, ip or exchange-account; may be repeated.",
        ),
    ] = None,
) -> None:
    """Change what is beside the secrets: label, expiry, bound addresses, account id."""
    from registry.commands._changes import tell
    from registry.errors import InvalidInput

    details = _details(label, expires_at, ip, exchange_account)
    columns = {
        "label": "label",
        "expires-at": "expires_at",
        "ip": "ip_allow_list",
        "exchange-account": "exchange_account_id",
    }
    for detail in clear or []:
        if detail not in columns:
            raise InvalidInput(
                f"a credential has no detail {detail!r} to clear",
                hint=f"It is one of: {', '.join(columns)}.",
            )
        if columns[detail] in details:
            raise InvalidInput(f"{detail} cannot be set and cleared at once")
        details[columns[detail]] = None
    slot = _slot(exchange, subaccount, permission)
    outcome = _credentials(run).update(account, slot, details, run.invocation())
    done = f"updated the credential of {account} for {exchange}"
    tell(run, outcome, done, account=account, exchange=exchange)


@app.command("deactivate-credential")
@verb("deactivate-credential", changes=True)
def deactivate_credential(
    run: Run,
    account: AccountName,
    exchange: ExchangeName,
    subaccount: Subaccount = None,
    permission: PermissionOption = None,
    cascade: Cascade = False,
) -> None:
    """Stop a credential: it cannot be used until it is reactivated."""
    from registry.commands._changes import tell

    slot = _slot(exchange, subaccount, permission)
    outcome = _credentials(run).deactivate(account, slot, run.invocation(), cascade=cascade)
    done = f"deactivated the credential of {account} for {exchange}"
    tell(run, outcome, done, account=account, exchange=exchange)


@app.command("reactivate-credential")
@verb("reactivate-credential", changes=True)
def reactivate_credential(
    run: Run,
    account: AccountName,
    exchange: ExchangeName,
    subaccount: Subaccount = None,
    permission: PermissionOption = None,
) -> None:
    """Let a deactivated credential be used again."""
    from registry.commands._changes import tell

    slot = _slot(exchange, subaccount, permission)
    outcome = _credentials(run).reactivate(account, slot, run.invocation())
    done = f"reactivated the credential of {account} for {exchange}"
    tell(run, outcome, done, account=account, exchange=exchange)


@app.command("remove-credential")
@verb("remove-credential", changes=True)
def remove_credential(
    run: Run,
    account: AccountName,
    exchange: ExchangeName,
    subaccount: Subaccount = None,
    permission: PermissionOption = None,
    cascade: Cascade = False,
    destroy: Annotated[
        bool,
        typer.Option("--destroy", help="Destroy its secrets for ever; nothing brings them back."),
    ] = False,
    yes: Yes = False,
) -> None:
    """Remove a credential; the history keeps it, encrypted."""
    from registry.commands._changes import tell

    for_ever = " and destroy its secrets for ever" if destroy else ""
    run.confirm(f"Remove the credential of {account} for {exchange}{for_ever}?", yes=yes)
    slot = _slot(exchange, subaccount, permission)
    if destroy:
        from registry.services.destruction import remove_and_destroy

        outcome = remove_and_destroy(run.database, account, slot, run.invocation(), cascade=cascade)
    else:
        outcome = _credentials(run).remove(account, slot, run.invocation(), cascade=cascade)
    done = f"removed the credential of {account} for {exchange}"
    tell(run, outcome, done, account=account, exchange=exchange)


def _credentials(run: Run) -> "CredentialService":
    from registry.services.credentials import CredentialService

    return CredentialService(run.database)


def _ask(spec: "ExchangeSpec") -> dict[str, Any]:
    from getpass import getpass

    from registry.encryption.secret import Secret
    from registry.errors import InvalidInput

    if not sys.stdin.isatty():
        raise InvalidInput(
            "there is no terminal to ask for the fields on",
            hint="Give them with --from-json FILE or --from-json -; "
            f"they are: {', '.join(spec.fields)}.",
        )
    answers: dict[str, Any] = {}
    for field in spec.fields.values():
        optional = "" if field.required else f" [{field.default or 'none'}]"
        prompt = f"{spec.display_name} {field.name}{optional}: "
        try:
            answer = getpass(prompt) if field.secret else _ask_openly(prompt)
        except EOFError:
            raise InvalidInput("the input ended; nothing was changed") from None
        if answer:
            answers[field.name] = Secret(answer)
    return answers


def _ask_openly(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        raise EOFError
    return answer.rstrip("\n")


def _read_fields(source: str) -> dict[str, Any]:
    from registry.errors import InvalidInput
    from registry.values import parse_json

    where = "standard input" if source == "-" else source
    try:
        if source == "-":
            raw = sys.stdin.buffer.read(_MAX_INPUT + 1)
        else:
            with Path(source).open("rb") as file:
                raw = file.read(_MAX_INPUT + 1)
    except OSError as error:
        raise InvalidInput(f"cannot read {where}: {error.strerror}") from None
    if len(raw) > _MAX_INPUT:
        raise InvalidInput(f"{where} is larger than a credential can be ({_MAX_INPUT} bytes)")
    try:
        fields = parse_json(raw.decode("utf-8-sig"), where)
    except UnicodeDecodeError:
        raise InvalidInput(f"{where} is not UTF-8 text") from None
    if not isinstance(fields, dict):
        raise InvalidInput(
            f"{where} does not hold a JSON object",
            hint="""It looks like {"api_key": "…", "secret_key": "…"}.""",
        )
    return fields
