"""Verbs about sharing: an account borrows a credential of another account."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from registry.commands._changes import stops_of, tell
from registry.commands._lists import ListOptions, columns, none_fits, show_list
from registry.commands._options import (
    AccessOption,
    AccountName,
    ExchangeName,
    ExchangeOption,
    OptionalAccount,
    SubaccountChoice,
    wish_of,
)
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.events.permissions import SharingType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.services.releases.resolution import Resolution

Borrower = Annotated[str, typer.Argument(metavar="BORROWER", help="The account that may use it.")]
LenderName = Annotated[str, typer.Argument(metavar="LENDER", help="The account whose it is.")]
SharingTypeOption = Annotated[
    SharingType, typer.Option("--type", help="What the borrower may do with it.")
]
LenderOption = Annotated[
    str | None, typer.Option("--lender", metavar="LENDER", help="Use what this account shares.")
]


def _usable(share: "Mapping[str, Any]") -> str:
    if share["stop"]:
        return f"no: stopped by event {share['stop']['position']}"
    if not share["borrower_is_active"]:
        return "no: the borrower is inactive"
    if not share["lender_is_active"]:
        return "no: the lender is inactive"
    return "yes" if share["lender_has_fitting"] else "no: the lender has no key that fits"


_SHARES: Final = columns(
    "list-shares",
    {
        "borrower": "borrower",
        "exchange": "exchange",
        "lender": "lender",
        "type": "sharing_type",
        "usable": "usable",
        "since": "since",
    },
    {"created": "created_at", "updated": "updated_at", "id": "id"},
    under=("usable", "since", "created", "updated", "id"),
    seen=lambda share: {**share, "usable": _usable(share)},
)


@verb(changes=True)
def share(
    run: Run,
    borrower: Borrower,
    lender: LenderName,
    exchange: ExchangeName,
    sharing_type: SharingTypeOption = "full",
) -> None:
    """Let an account use another's credential. Again with another --type changes it."""
    outcome = run.registry.shares.grant(borrower, lender, exchange, sharing_type, **run.by)
    done = f"let {borrower} use the {exchange} credential of {lender} ({sharing_type})"
    facts = {"lender": lender, "exchange": exchange, "sharing_type": sharing_type}
    tell(run, outcome, done, borrower=borrower, **facts)


@verb(changes=True)
def unshare(run: Run, borrower: Borrower, exchange: ExchangeName) -> None:
    """End what an account borrows for an exchange."""
    outcome = run.registry.shares.revoke(borrower, exchange, **run.by)
    done = f"ended what {borrower} borrows for {exchange}"
    tell(run, outcome, done, borrower=borrower, exchange=exchange)


@verb()
def list_shares(
    run: Run,
    how: ListOptions,
    account: OptionalAccount = None,
    exchange: ExchangeOption = None,
    sharing_type: Annotated[
        SharingType | None, typer.Option("--type", help="Only shares of this type.")
    ] = None,
) -> None:
    """List who borrows from whom. Of one account, as borrower or lender, or all."""
    shares = run.registry.shares.list(account, exchange=exchange, sharing_type=sharing_type)

    def none() -> str:
        asked = {"account": account, "exchange": exchange, "type": sharing_type}
        return none_fits("share", asked, lambda: len(run.registry.shares.list()))

    show_list(run, how, _SHARES, shares, none, stops_of(shares))


@verb()
def resolve(
    run: Run,
    account: AccountName,
    exchange: Annotated[
        str | None, typer.Argument(metavar="[EXCHANGE]", help="Only this exchange.")
    ] = None,
    subaccount: SubaccountChoice = None,
    access: AccessOption = None,
    lender: LenderOption = None,
) -> None:
    """Show which credential an account would use, and why. Nothing is released."""
    from registry.hints import commands_of
    from registry.services.releases.resolution import resolve as resolved

    found = resolved(run.database, account, exchange, wish_of(subaccount, access, lender))
    if exchange is not None and found and not found[0].granted:
        raise found[0].error()

    def text() -> None:
        if not found:
            run.output.line(f"Account {account} has no credentials, own or shared.")
            return
        for resolution in found:
            run.output.line(f"{resolution.exchange}: {resolution.reason()}")
            if not resolution.granted and (hint := resolution.error().hint):
                run.output.line(f"  {commands_of(hint)}")
            for warning in resolution.warnings():
                run.output.notice(f"Warning: {warning}")

    run.output.result([_resolution(resolution) for resolution in found], text)


def _resolution(found: "Resolution") -> dict[str, Any]:
    return {
        "account": found.account,
        "exchange": found.exchange,
        "outcome": found.outcome,
        "reason": found.reason(),
        "stop": found.stop,
        "source": found.source if found.granted else None,
        "holder": found.holder if found.granted else None,
        "credential_id": found.credential_id,
        "version": found.version,
        "subaccount_index": found.subaccount_index,
        "permission": found.permission,
        "access": found.access,
        "sharing_type": found.sharing_type,
        "expires_at": found.expires_at,
        "warnings": found.warnings(),
    }
