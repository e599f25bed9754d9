"""The verbs `stop` and `resume`."""

import dataclasses
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from registry.commands._changes import events_of, sentence, tell_notes
from registry.commands._options import PermissionOption, Subaccount, Yes
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import InvalidInput, NotFound, RegistryError
from registry.hints import Command
from registry.plurals import counted

if TYPE_CHECKING:
    from registry.services.changes.stops import StopPreview

_LISTED: Final = 20
_USE: Final = {
    "account": "account",
    "exchange": "slot",
    "lent by": "lender",
    "open positions": "open_positions",
    "key last released": "last_released",
}


@dataclass(frozen=True, slots=True)
class Stoppable:
    """What to stop: exactly one of the first five."""

    everything: Annotated[bool, typer.Option("--all", help="Stop every release.")] = False
    exchange: Annotated[
        str | None, typer.Option(metavar="EXCHANGE", help="Whatever is for this exchange.")
    ] = None
    lender: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="What this account lends to others.")
    ] = None
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="What it has, borrows or lends.")
    ] = None
    credential: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="ACCOUNT EXCHANGE", help="This key, also where it is lent."),
    ] = None
    subaccount: Subaccount = None
    permission: PermissionOption = None


@verb(changes=True)
def stop(run: Run, what: Stoppable, yes: Yes = False) -> None:
    """Stop releases at once.

    Of everything, an exchange, a lender, an account or a key. It shows who loses what, and asks.
    What is added later is stopped too, and nothing is taken from a bot's environment instead,
    until it is resumed. It needs a reason. A program that holds a key already keeps it.
    """
    from registry.services.changes.stops import check_reason

    by = run.by
    named = {n: v for n, v in dataclasses.asdict(what).items() if v not in (None, False)}
    plan = None
    try:
        plan = run.registry.plan_stop(**named)
    except (InvalidInput, NotFound):
        raise
    except RegistryError as error:
        # What is damaged or missing must not keep anybody from stopping it.
        run.output.notice(f"Who loses what cannot be shown: {error.message}")
    if not (by["dry_run"] or sys.stdin.isatty()):
        check_reason(by["reason"])
    if plan and not run.output.as_json:
        _show(run, plan)
    if not (by["reason"] or by["dry_run"]):
        by["reason"] = run.output.ask("Why? Everybody who meets the stop is told: ")
        check_reason(by["reason"])
    run.confirm("Stop it?", yes=yes)
    outcome = run.registry.stop(**named, **by)
    tell_notes(run, outcome)
    back = Command("resume", *outcome.positions).as_command() if outcome.positions else None

    def text() -> None:
        run.output.line(sentence(outcome, f"stopped {plan.what if plan else 'it'}"))
        if back:
            run.output.line(f"Take it back with: {back}")

    uses = plan and [dataclasses.asdict(use) for use in plan.uses]
    run.output.result({"uses": uses, "resume": back, **events_of(outcome)}, text)


@verb(changes=True)
def resume(
    run: Run,
    stop: Annotated[
        str | None,
        typer.Argument(
            metavar="[STOP]",
            help="The stop's event, or its command id. [default: the only stop in force]",
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Take a stop back, and nothing else. What other stops include stays stopped."""
    by = run.by
    stops = run.registry.stops()
    found = [known for known in stops if stop is None or known.has_name(stop)]
    if len(found) == 1:
        if not run.output.as_json:
            run.output.line(f"{found[0]}")
        run.confirm(f"Resume {found[0].what}?", yes=yes)
        if by["command_id"] is None:
            stop = str(found[0].position)
    outcome = run.registry.resume(stop, **by)
    tell_notes(run, outcome)
    data = {"stop": found[0] if found else None, **events_of(outcome)}
    done = f"resumed {found[0].what if found else 'it'}"
    run.output.result(data, lambda: run.output.line(sentence(outcome, done)))


def _show(run: Run, plan: "StopPreview") -> None:
    uses = plan.uses
    accounts = {use.account for use in uses}
    keys = {(use.lender or use.account, use.slot) for use in uses}
    shares = sum(use.lender is not None for use in uses)
    positions = sum({(use.account, use.exchange): use.open_positions for use in uses}.values())
    counts = {"account": len(accounts), "key": len(keys), "share": shares}
    lost = ", ".join(counted(n, noun) for noun, n in {**counts, "open position": positions}.items())
    run.output.line(f"This stops {plan.what}: {lost}.")
    shown = [{**dataclasses.asdict(use), "slot": use.slot} for use in uses[:_LISTED]]
    if shown:
        run.output.records(_USE, shown)
    if len(uses) > _LISTED:
        run.output.line(f"{len(uses) - _LISTED:,} more are not shown; --json shows all.")
    if not uses:
        run.output.line("Nobody can use any of it today; what is added later is stopped.")
    if already := sum(use.stopped_already is not None for use in uses):
        run.output.line(f"Other stops include {already:,} of these already.")
