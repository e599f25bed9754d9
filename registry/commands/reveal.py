"""The verb `reveal-credential`: shows a secret to a person, one field at a time, as a release."""

import sys
from dataclasses import replace
from typing import Annotated

import typer

from registry.commands._options import (
    AccessOption,
    AccountName,
    ExchangeName,
    SubaccountChoice,
    Yes,
    wish_of,
)
from registry.commands._run import Run
from registry.commands._verb import verb


@verb()
def reveal_credential(
    run: Run,
    account: AccountName,
    exchange: ExchangeName,
    field: Annotated[
        str | None, typer.Option(metavar="F", help="Which field; needed if there are several.")
    ] = None,
    subaccount: SubaccountChoice = None,
    access: AccessOption = None,
    version: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Another version than the current one."),
    ] = None,
    yes: Yes = False,
) -> None:
    """Show one field in plain text, recorded as a release.

    On a terminal it asks first, since what is shown stays in its scrollback.
    """
    from registry.machine import host
    from registry.services.releases.releases import Caller, ReleaseService

    wish = replace(wish_of(subaccount, access), version=version)
    service = ReleaseService(run.database, run.keyring())
    wanted = service.field_to_reveal(account, exchange, field)
    if sys.stdout.isatty():
        run.confirm(f"Show the {wanted} of {account} for {exchange} on this terminal?", yes=yes)
    caller = Caller(actor=run.actor(), host=host(), purpose="reveal", reason=run.reason)
    secret, released = service.reveal(account, exchange, wanted, wish, caller)
    for warning in released.warnings():
        run.output.notice(f"Warning: {warning}")
    value = secret.reveal()
    data = {"account": account, "exchange": exchange, "field": wanted, "value": value}
    run.output.result({**data, "position": released.position}, lambda: run.output.line(value))
