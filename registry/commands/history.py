"""The verb `history`."""

import dataclasses
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from registry.commands._describe import describe, when
from registry.commands._options import ExchangeOption, OptionalAccount
from registry.commands._output import show, to_json
from registry.commands._run import Run
from registry.commands._verb import verb

if TYPE_CHECKING:
    from registry.facade.given import Only


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events to show."""

    account: OptionalAccount = None
    exchange: ExchangeOption = None
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="From this moment on: 2026-01-31T12:00Z, 2026-01-31, -36h, -1d, yesterday.",
        ),
    ] = None
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Before this moment.")
    ] = None
    event_type: Annotated[
        str | None, typer.Option("--type", metavar="EVENT", help="Such as CredentialReplaced.")
    ] = None
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Only what this actor did.")
    ] = None
    credential: Annotated[
        str | None, typer.Option("--credential", metavar="ID", help="Only this credential's.")
    ] = None
    command: Annotated[
        str | None, typer.Option("--command", metavar="ID", help="Only what this command did.")
    ] = None
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=100_000_000, help="The newest N.")
    ] = 100

    def only(self) -> "Only":
        """The same as the registry takes it."""
        from registry.moments import moment

        given = dataclasses.asdict(self)
        given.pop("account")
        for name in ("since", "until"):
            if given[name] is not None:
                given[name] = moment(given[name], f"--{name}")
        return cast("Only", given)


@verb()
def history(
    run: Run,
    only: Filter,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new events as they come.")
    ] = False,
    ndjson: Annotated[
        bool, typer.Option("--ndjson", help="One JSON object a line, as they are read.")
    ] = False,
) -> None:
    """Show who changed what, when and why; the newest events, the oldest of them first.

    A value is shown as name#fingerprint: equal fingerprints of a field mean equal values.
    """
    if run.named_actor is not None and only.by is None:
        # Else a list of everything could pass for a list of what this actor did.
        run.output.notice(
            f"Note: --actor says who asks and leaves nothing out; "
            f"what {run.named_actor} did: --by {run.named_actor}"
        )
    if follow:
        _follow(run, only, as_lines=ndjson or run.output.as_json)
    elif ndjson:
        for event in run.registry.stream_history(only.account, **only.only()):
            sys.stdout.write(to_json(event) + "\n")
    else:
        events = run.registry.history(only.account, **only.only())
        run.output.result(events, lambda: _table(run, events))


def _follow(run: Run, only: Filter, *, as_lines: bool) -> None:
    def lost(why: str) -> None:
        run.output.notice(f"{why}; trying again, no event is missed")

    try:
        for event in run.registry.follow(only.account, lost=lost, **only.only()):
            if as_lines:
                sys.stdout.write(to_json(event) + "\n")
            else:
                run.output.line("  ".join(show(cell) for cell in _cells(event)))
            sys.stdout.flush()
    except KeyboardInterrupt:
        return


def _table(run: Run, events: list[dict[str, Any]]) -> None:
    if not events:
        run.output.line("No events.")
        return
    run.output.table(
        ["event", "when", "who", "account", "what", "why"],
        [_cells(event) for event in events],
    )


def _cells(event: dict[str, Any]) -> list[Any]:
    return [
        event["position"],
        when(event["recorded_at"], event["occurred_at"]),
        f"{event['actor']} as {event['recorded_by']}",
        event["account_name"],
        describe(event),
        event["reason"],
    ]
