"""Verbs that change accounts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.commands._changes import tell, with_cleared
from registry.commands._options import AccountName, Cascade, Yes
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.plurals import counted

if TYPE_CHECKING:
    from registry.services.changes.accounts import AccountService

Wallet = Annotated[
    str | None,
    typer.Option("--wallet-address", metavar="ADDRESS", help="The wallet that it trades from."),
]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT")]
Metadata = Annotated[
    str | None,
    typer.Option(
        "--metadata",
        metavar="JSON|@FILE",
        help="A JSON object of limits and settings, such as max_positions; @FILE reads it.",
    ),
]
_EMPTY: dict[str, tuple[str, Any]] = {
    "wallet-address": ("wallet_address", None),
    "description": ("description", None),
    "metadata": ("metadata", {}),
}


def _accounts(run: Run) -> "AccountService":
    from registry.services.changes.accounts import AccountService

    return AccountService(run.database)


@verb(changes=True)
def create_account(
    run: Run,
    account: Annotated[str, typer.Argument(metavar="NAME", help="A name that is free.")],
    wallet_address: Wallet = None,
    description: Description = None,
    metadata: Metadata = None,
) -> None:
    """Create an account."""
    from registry.rules.accounts import CreateAccount

    command = CreateAccount(
        account_name=account,
        wallet_address=wallet_address,
        description=description,
        metadata=None if metadata is None else _metadata(metadata),
    )
    outcome = _accounts(run).create(command, run.invocation())
    tell(run, outcome, f"created account {account}", account=account, id=outcome.stream_id)


@verb(changes=True)
def update_account(
    run: Run,
    account: AccountName,
    wallet_address: Wallet = None,
    description: Description = None,
    metadata: Metadata = None,
    clear: Annotated[
        list[str] | None,
        typer.Option(
            "--clear",
            metavar="DETAIL",
            help="Empty wallet-address, description or metadata; may be repeated.",
        ),
    ] = None,
) -> None:
    """Change an account's details; what is not named stays. --metadata replaces all of it."""
    from registry.rules.accounts import UpdateAccount

    given = {
        "wallet_address": wallet_address,
        "description": description,
        "metadata": None if metadata is None else _metadata(metadata),
    }
    said = {name: value for name, value in given.items() if value is not None}
    changes = with_cleared("an account", said, clear, _EMPTY)
    outcome = _accounts(run).update(account, UpdateAccount(**changes), run.invocation())
    tell(run, outcome, f"updated account {account}", account=account)


@verb(changes=True)
def rename_account(
    run: Run,
    account: AccountName,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="A name that is free.")],
) -> None:
    """Give an account another name; its id, credentials and history stay."""
    outcome = _accounts(run).rename(account, new_name, run.invocation())
    tell(run, outcome, f"renamed account {account} to {new_name}", account=new_name)


@verb(changes=True)
def deactivate_account(run: Run, account: AccountName, cascade: Cascade = False) -> None:
    """Stop an account: its credentials cannot be used until it is reactivated."""
    outcome = _accounts(run).deactivate(account, run.invocation(), cascade=cascade)
    tell(run, outcome, f"deactivated account {account}", account=account)


@verb(changes=True)
def reactivate_account(run: Run, account: AccountName) -> None:
    """Let a deactivated account be used again."""
    outcome = _accounts(run).reactivate(account, run.invocation())
    tell(run, outcome, f"reactivated account {account}", account=account)


@verb(changes=True)
def delete_account(
    run: Run, account: AccountName, cascade: Cascade = False, yes: Yes = False
) -> None:
    """Delete an account and its credentials; the history keeps them, encrypted."""
    from registry.services.reading.accounts import show_account

    invocation = run.invocation()
    if invocation.command_id is None:
        held = len(show_account(run.database, account)["credentials"])
        credentials = f" and its {counted(held, 'credential')}" if held else ""
        run.confirm(f"Delete account {account}{credentials}?", yes=yes)
    else:
        run.confirm(f"Delete account {account}?", yes=yes)
    outcome = _accounts(run).delete(account, invocation, cascade=cascade)
    tell(run, outcome, f"deleted account {account}", account=account)


def _metadata(text: str) -> dict[str, Any]:
    from registry.machine import text_of_file
    from registry.values import MAX_METADATA_BYTES, parse_metadata

    if text.startswith("@"):
        text = text_of_file(Path(text[1:]), limit=MAX_METADATA_BYTES * 4)
    return parse_metadata(text)
