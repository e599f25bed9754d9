"""Verbs that change credentials. Secrets come by prompt, file or standard input only."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from registry.commands._changes import tell, versions, with_cleared
from registry.commands._options import (
    AllowOtherAccount,
    AllowSharedSecret,
    Cascade,
    Slot,
    Yes,
)
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.catalog.specification import ExchangeSpec
    from registry.services.changes.credentials import CredentialService

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
_EMPTY = {
    "label": ("label", None),
    "expires-at": ("expires_at", None),
    "ip": ("ip_allow_list", None),
    "exchange-account": ("exchange_account_id", None),
}


@dataclass(frozen=True, slots=True)
class Details:
    """What a credential has beside its secrets."""

    label: Label = None
    expires_at: ExpiresAt = None
    ip: IpAllowList = None
    exchange_account: ExchangeAccount = None

    def given(self) -> dict[str, Any]:
        """Column -> value, of the details that were given."""
        columns = {
            "label": self.label,
            "expires_at": self.expires_at,
            "ip_allow_list": self.ip or None,
            "exchange_account_id": self.exchange_account,
        }
        return {name: value for name, value in columns.items() if value is not None}


@dataclass(frozen=True, slots=True)
class NewCredential(Details):
    """What `add-credential` and `replace-credential` take beside the slot."""

    from_json: FromJson = None
    cascade: Cascade = False
    allow_shared_secret: AllowSharedSecret = False
    allow_other_account: AllowOtherAccount = False


@verb(changes=True)
def add_credential(run: Run, slot: Slot, new: NewCredential) -> None:
    """Store a credential in an empty slot; asks for its fields on a terminal."""
    _store(run, slot, new, "add")


@verb(changes=True)
def replace_credential(run: Run, slot: Slot, new: NewCredential) -> None:
    """Replace a credential's secrets, as its next version; asks for them on a terminal."""
    _store(run, slot, new, "replace")


def _store(run: Run, slot: Slot, new: NewCredential, mode: Literal["add", "replace"]) -> None:
    from registry.services.changes.credentials import CredentialInput, CredentialService, Mode
    from registry.services.changes.exchanges import exchange_specification

    invocation = run.invocation()
    keyring = run.keyring()  # before anybody types a secret in vain
    if new.from_json is None:
        spec = exchange_specification(run.database, slot.exchange, slot.account)
        fields: Mapping[str, Any] = _ask(spec)
    else:
        if not new.allow_other_account:
            _check_file(run, slot, new.from_json)
        fields = _read_fields(new.from_json)
    outcome = CredentialService(run.database, keyring).store(
        slot.account,
        [CredentialInput(slot.name, fields, new.given(), Mode(mode))],
        invocation,
        verb=run.output.verb,
        cascade=new.cascade,
        allow_shared_secret=new.allow_shared_secret,
    )
    what = "added a credential" if mode == "add" else "replaced the credential"
    of = f"{slot.account} for {versions(outcome.stored[0])}" if outcome.stored else str(slot)
    tell(run, outcome, f"{what} of {of}", **slot.facts)


def _check_file(run: Run, slot: Slot, source: str) -> None:
    from registry.services.importing.names import check_names, said_by_path

    check_names(run.database, slot.account, said_by_path(Path(source)), [slot.exchange])


@verb(changes=True)
def update_credential(
    run: Run,
    slot: Slot,
    details: Details,
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
    changes = with_cleared("a credential", details.given(), clear, _EMPTY)
    outcome = _credentials(run).update(slot.account, slot.name, changes, run.invocation())
    tell(run, outcome, f"updated the credential of {slot}", **slot.facts)


@verb(changes=True)
def deactivate_credential(run: Run, slot: Slot, cascade: Cascade = False) -> None:
    """Stop a credential: it cannot be used until it is reactivated."""
    outcome = _credentials(run).deactivate(
        slot.account, slot.name, run.invocation(), cascade=cascade
    )
    tell(run, outcome, f"deactivated the credential of {slot}", **slot.facts)


@verb(changes=True)
def reactivate_credential(run: Run, slot: Slot) -> None:
    """Let a deactivated credential be used again."""
    outcome = _credentials(run).reactivate(slot.account, slot.name, run.invocation())
    tell(run, outcome, f"reactivated the credential of {slot}", **slot.facts)


@verb(changes=True)
def remove_credential(
    run: Run,
    slot: Slot,
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
    if destroy:
        from registry.services.changes.destruction import remove_and_destroy

        outcome = remove_and_destroy(
            run.database, slot.account, slot.name, run.invocation(), cascade=cascade
        )
    else:
        outcome = _credentials(run).remove(
            slot.account, slot.name, run.invocation(), cascade=cascade
        )
    tell(run, outcome, f"removed the credential of {slot}", **slot.facts)


def _credentials(run: Run) -> "CredentialService":
    from registry.services.changes.credentials import CredentialService

    return CredentialService(run.database)


def _ask(spec: "ExchangeSpec") -> dict[str, Any]:
    from getpass import getpass

    from registry.encryption.secret import Secret

    if not sys.stdin.isatty():
        raise InvalidInput(
            "there is no terminal to ask for the fields on",
            hint="Give them with --from-json FILE or --from-json -; "
            f"they are: {', '.join(spec.fields)}.",
        )
    answers: dict[str, Any] = {}
    for field in spec.fields.values():
        if not field.has_place(answers):
            continue
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
    from registry.machine import text_of, text_of_file
    from registry.values import parse_json

    where = "standard input" if source == "-" else source
    if source == "-":
        text = text_of(sys.stdin.buffer.read(_MAX_INPUT + 1), where, limit=_MAX_INPUT)
    else:
        text = text_of_file(Path(source), limit=_MAX_INPUT)
    fields = parse_json(text, where)
    if not isinstance(fields, dict):
        raise InvalidInput(
            f"{where} does not hold a JSON object",
            hint="""It looks like {"api_key": "…", "secret_key": "…"}.""",
        )
    return fields
