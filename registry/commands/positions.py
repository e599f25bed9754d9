"""Verbs about the positions that accounts own."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from registry.commands._changes import tell
from registry.commands._lists import ListOptions, columns, none_fits, show_list
from registry.commands._options import AccountName
from registry.commands._run import Run
from registry.commands._verb import verb

Positions = Annotated[
    list[str] | None,
    typer.Option("--position", metavar="ID", help="A position's id; may be repeated."),
]


_POSITIONS: Final = columns(
    "list-positions",
    {
        "id": "id",
        "account": "account_name",
        "symbol": "symbol",
        "long exchange": "long_exchange",
        "short exchange": "short_exchange",
        "size usd": "size_usd",
        "entry divergence": "entry_divergence",
        "cumulative funding usd": "cumulative_funding_usd",
        "status": "status",
    },
    {"opened": "opened_at"},
    under=("size usd", "entry divergence", "cumulative funding usd", "status", "opened"),
)


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


@dataclass(frozen=True, slots=True)
class PositionFilter:
    """Which positions to list."""

    account: Annotated[str | None, typer.Option(metavar="ACCOUNT", help="Only this account's.")] = (
        None
    )
    exchange: Annotated[
        str | None, typer.Option(metavar="EXCHANGE", help="Only with a side there.")
    ] = None
    symbol: Annotated[str | None, typer.Option(metavar="SYMBOL", help="Only of this symbol.")] = (
        None
    )
    unowned: Annotated[bool, typer.Option("--unowned", help="Only those without an owner.")] = False
    all_: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False


@verb()
def list_positions(run: Run, only: PositionFilter, how: ListOptions) -> None:
    """List open positions with account, symbol and exchanges."""
    asked = dataclasses.asdict(only)
    closed = asked.pop("all_")
    positions = run.registry.positions.list(**asked, closed=closed)

    def none() -> str:
        said = {**asked, "unowned": only.unowned or None, "open": None if closed else True}
        return none_fits("position", said, lambda: len(run.registry.positions.list(closed=True)))

    show_list(run, how, _POSITIONS, positions, none)
