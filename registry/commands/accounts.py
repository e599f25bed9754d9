"""Verbs that change accounts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from registry.commands._changes import tell
from registry.commands._options import AccountName, Cascade, Clear, DetailOptions, Yes
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import InvalidInput
from registry.plurals import counted
from registry.shown import shown


@dataclass(frozen=True, slots=True)
class AccountOptions(DetailOptions):
    """The details of an account, apart from its name."""

    wallet_address: Annotated[
        str | None,
        typer.Option("--wallet-address", metavar="ADDRESS", help="The wallet that it trades from."),
    ] = None
    description: Annotated[str | None, typer.Option("--description", metavar="TEXT")] = None
    metadata: Annotated[
        str | None,
        typer.Option(
            "--metadata",
            metavar="JSON|@FILE",
            help="A JSON object of limits and settings, such as max_positions; @FILE reads it.",
        ),
    ] = None

    def given(self) -> dict[str, Any]:
        """The details that were given, the metadata as an object."""
        said = DetailOptions.given(self)
        return {**said, "metadata": _metadata(said["metadata"])} if "metadata" in said else said


AsIs = Annotated[
    bool,
    typer.Option("--as-is", help="Take a key of the metadata although it looks like a limit's."),
]


@verb(changes=True)
def create_account(
    run: Run,
    account: Annotated[str, typer.Argument(metavar="NAME", help="A name that is free.")],
    details: AccountOptions,
    as_is: AsIs = False,
) -> None:
    """Create an account."""
    outcome = run.registry.accounts.create(account, as_is=as_is, **details.given(), **run.by)
    tell(run, outcome, f"created account {account}", account=account, id=outcome.stream_id)


@verb(changes=True)
def update_account(
    run: Run,
    account: AccountName,
    details: AccountOptions,
    clear: Clear = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set a key of the metadata, to JSON or else a text; may be repeated.",
        ),
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Remove a key of it; may be repeated.")
    ] = None,
    as_is: AsIs = False,
    cascade: Cascade = False,
) -> None:
    """Change an account's details; what is not named stays. --metadata replaces all of it."""
    outcome = run.registry.accounts.update(
        account,
        set=_keys(set_ or []),
        unset=unset or [],
        as_is=as_is,
        cascade=cascade,
        **details.changes(clear),
        **run.by,
    )
    tell(run, outcome, f"updated account {account}", account=account)


@verb(changes=True)
def rename_account(
    run: Run,
    account: AccountName,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="A name that is free.")],
) -> None:
    """Give an account another name. Its id, credentials and history stay."""
    outcome = run.registry.accounts.rename(account, new_name, **run.by)
    tell(run, outcome, f"renamed account {account} to {new_name}", account=new_name)


@verb(changes=True)
def deactivate_account(run: Run, account: AccountName, cascade: Cascade = False) -> None:
    """Stop an account. Its credentials cannot be used until it is reactivated."""
    outcome = run.registry.accounts.deactivate(account, cascade=cascade, **run.by)
    tell(run, outcome, f"deactivated account {account}", account=account)


@verb(changes=True)
def reactivate_account(run: Run, account: AccountName) -> None:
    """Let a deactivated account be used again."""
    outcome = run.registry.accounts.reactivate(account, **run.by)
    tell(run, outcome, f"reactivated account {account}", account=account)


@verb(changes=True)
def delete_account(
    run: Run, account: AccountName, cascade: Cascade = False, yes: Yes = False
) -> None:
    """Delete an account and its credentials. The history keeps them, encrypted."""
    by = run.by
    if by["command_id"] is None:
        held = len(run.registry.accounts.get(account)["credentials"])
        credentials = f" and its {counted(held, 'credential')}" if held else ""
        run.confirm(f"Delete account {account}{credentials}?", yes=yes)
    else:
        run.confirm(f"Delete account {account}?", yes=yes)
    outcome = run.registry.accounts.delete(account, cascade=cascade, **by)
    tell(run, outcome, f"deleted account {account}", account=account)


def _metadata(text: str) -> dict[str, Any]:
    from registry.machine import text_of_file
    from registry.values import MAX_METADATA_BYTES, parse_metadata

    if text.startswith("@"):
        text = text_of_file(Path(text[1:]), limit=MAX_METADATA_BYTES * 4)
    return parse_metadata(text)


def _keys(given: list[str]) -> dict[str, Any]:
    """Keys and values out of texts such as max_positions=5."""
    from registry.values import json_or_text

    keys: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key or key != key.strip():
            raise InvalidInput(
                "--set needs a key and its value", hint="It looks like --set max_positions=5."
            )
        if "." in key:
            raise InvalidInput(
                "--set takes a key of the metadata itself, which has no dot",
                hint="""Give a nested object as a whole: --set 'alerts={"email": true}'.""",
            )
        if key in keys:
            raise InvalidInput(f"--set names the key {shown(key)} twice")
        keys[key] = json_or_text(value, f"the value of {shown(key)}")
    return keys
