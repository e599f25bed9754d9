"""Verbs about the positions that accounts own."""

from decimal import Decimal
from typing import Annotated, Any

import typer

from registry.commands._changes import tell
from registry.commands._options import AccountName
from registry.commands._run import Run
from registry.commands._verb import verb

Positions = Annotated[
    list[str] | None,
    typer.Option("--position", metavar="ID", help="A position's id; may be repeated."),
]


@verb(changes=True)
def link_positions(
    run: Run,
    account: AccountName,
    position: Positions = None,
    unowned: Annotated[
        bool, typer.Option("--unowned", help="All positions that have no owner.")
    ] = False,
    move: Annotated[
        bool, typer.Option("--move", help="Also take positions from other accounts.")
    ] = False,
) -> None:
    """Say that an account owns positions."""
    outcome = run.registry.positions.link(
        account, position or (), unowned=unowned, move=move, **run.by
    )
    tell(run, outcome, f"linked positions to {account}", account=account)


@verb(changes=True)
def unlink_positions(
    run: Run,
    account: AccountName,
    position: Positions = None,
    owned: Annotated[bool, typer.Option("--owned", help="All positions of the account.")] = False,
) -> None:
    """Say that an account does not own positions any more."""
    outcome = run.registry.positions.unlink(account, position or (), owned=owned, **run.by)
    tell(run, outcome, f"unlinked positions from {account}", account=account)


@verb()
def list_positions(
    run: Run,
    account: Annotated[
        str | None, typer.Option("--account", metavar="ACCOUNT", help="Only this account's.")
    ] = None,
    unowned: Annotated[
        bool, typer.Option("--unowned", help="Only those without an owner.")
    ] = False,
    all_: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
) -> None:
    """List open positions with their account, symbol and exchanges."""
    found = run.registry.positions.list(account, unowned=unowned, closed=all_)

    def text() -> None:
        if not found:
            run.output.line("There are no positions here.")
            return
        columns = [column for column in found[0] if column != "opened_at"]
        names = [column.replace("_name", "").replace("_", " ") for column in columns]
        run.output.table(names, [[_plain(row[column]) for column in columns] for row in found])

    run.output.result(found, text)


def _plain(value: Any) -> Any:
    # Exact numbers without exponents: a position of nothing is 0.00000000 and not 0E-8.
    return f"{value:f}" if isinstance(value, Decimal) else value
