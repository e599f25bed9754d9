"""Verbs about who may use which credential: shares and access."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from registry.commands._options import (
    AccessOption,
    AccountName,
    ExchangeName,
    ExchangeOption,
    OptionalAccount,
    Subaccount,
)
from registry.commands._run import Run
from registry.commands._verb import verb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.services.releases.resolution import Resolution

app = typer.Typer()

Borrower = Annotated[str, typer.Argument(metavar="BORROWER", help="The account that may use it.")]
LenderName = Annotated[str, typer.Argument(metavar="LENDER", help="The account whose it is.")]
SharingTypeOption = Annotated[
    Literal["full", "read_only", "positions_only"],
    typer.Option("--type", help="What the borrower may do with it."),
]
LenderOption = Annotated[
    str | None,
    typer.Option("--lender", metavar="LENDER", help="Use what this account shares."),
]
Role = Annotated[str, typer.Option("--role", metavar="ROLE", help="A login role of the database.")]


@app.command("share")
@verb("share", changes=True)
def share(
    run: Run,
    borrower: Borrower,
    lender: LenderName,
    exchange: ExchangeName,
    sharing_type: SharingTypeOption = "full",
) -> None:
    """Let an account use another's credential; again with another --type changes it."""
    from registry.commands._changes import tell
    from registry.services.changes.sharing import SharingService

    service = SharingService(run.database)
    outcome = service.share(borrower, lender, exchange, sharing_type, run.invocation())
    done = f"let {borrower} use the {exchange} credential of {lender} ({sharing_type})"
    facts = {"lender": lender, "exchange": exchange, "sharing_type": sharing_type}
    tell(run, outcome, done, borrower=borrower, **facts)


@app.command("unshare")
@verb("unshare", changes=True)
def unshare(run: Run, borrower: Borrower, exchange: ExchangeName) -> None:
    """End what an account borrows for an exchange."""
    from registry.commands._changes import tell
    from registry.services.changes.sharing import SharingService

    outcome = SharingService(run.database).unshare(borrower, exchange, run.invocation())
    done = f"ended what {borrower} borrows for {exchange}"
    tell(run, outcome, done, borrower=borrower, exchange=exchange)


@app.command("list-shares")
@verb("list-shares")
def list_shares(run: Run, account: OptionalAccount = None, exchange: ExchangeOption = None) -> None:
    """List who borrows from whom; of one account, as borrower or lender, or all."""
    from registry.services.changes import sharing

    found = sharing.list_shares(run.database, account, exchange)

    def text() -> None:
        if not found:
            run.output.line("There are no shares here.")
            return
        run.output.table(
            ["borrower", "exchange", "lender", "type", "usable", "since"],
            [
                [
                    share["borrower"],
                    share["exchange"],
                    share["lender"],
                    share["sharing_type"],
                    _usable(share),
                    share["since"],
                ]
                for share in found
            ],
        )

    run.output.result(found, text)


def _usable(share: "Mapping[str, Any]") -> str:
    if not share["borrower_is_active"]:
        return "no: the borrower is inactive"
    if not share["lender_is_active"]:
        return "no: the lender is inactive"
    return "yes" if share["lender_has_fitting"] else "no: the lender has no key that fits"


@app.command("resolve")
@verb("resolve")
def resolve(
    run: Run,
    account: AccountName,
    exchange: Annotated[
        str | None, typer.Argument(metavar="[EXCHANGE]", help="Only this exchange.")
    ] = None,
    subaccount: Subaccount = None,
    access: AccessOption = None,
    lender: LenderOption = None,
) -> None:
    """Show which credential an account would use, and why; nothing is released."""
    from registry.hints import commands_of
    from registry.services.releases.resolution import Wish
    from registry.services.releases.resolution import resolve as resolved

    wish = Wish(subaccount=subaccount, access=access, lender=lender)
    found = resolved(run.database, account, exchange, wish)
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


@app.command("grant-access")
@verb("grant-access", changes=True)
def grant_access(run: Run, account: AccountName, role: Role) -> None:
    """Let a login role of the database use an account; it becomes a bot if it is none."""
    from registry.commands._changes import tell
    from registry.services.changes.access import AccessService

    outcome = AccessService(run.database).grant(account, role, run.invocation())
    tell(run, outcome, f"let the role {role} use account {account}", account=account, role=role)


@app.command("revoke-access")
@verb("revoke-access", changes=True)
def revoke_access(run: Run, account: AccountName, role: Role) -> None:
    """Take an account from a login role."""
    from registry.commands._changes import tell
    from registry.services.changes.access import AccessService

    outcome = AccessService(run.database).revoke(account, role, run.invocation())
    done = f"took account {account} from the role {role}"
    tell(run, outcome, done, account=account, role=role)


@app.command("list-access")
@verb("list-access")
def list_access(run: Run, account: OptionalAccount = None) -> None:
    """List which login roles may use an account, or all accounts."""
    from registry.services.changes import access

    found = access.list_access(run.database, account)

    def text() -> None:
        if not found:
            run.output.line("No role was given access here.")
            return
        rows = [[row["account"], row["role"], row["since"]] for row in found]
        run.output.table(["account", "role", "since"], rows)

    run.output.result(found, text)
