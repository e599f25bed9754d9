"""The verb `history`."""

import dataclasses
import functools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from registry.commands._lists import none_fits
from registry.commands._options import (
    ExchangeOption,
    OnlyPermission,
    OnlySubaccount,
    OptionalAccount,
    Wide,
)
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.plain import show, to_json
from registry.services.reading.describing import describe, when

if TYPE_CHECKING:
    from registry.facade.given import Only


_COLUMNS: Final = ("event", "when", "who", "account", "what", "why")
_IDS: Final = ("credential", "command")
_MORE: Final = "For more: --limit N, or --until TIME."


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects the events to show."""

    account: OptionalAccount = None
    exchange: ExchangeOption = None
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="From this moment on: 2026-01-31T12:00Z, 2026-01-31, -36h, -1d, yesterday.",
        ),
    ] = None
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before this moment.")] = None
    subaccount: OnlySubaccount = None
    permission: OnlyPermission = None
    event_type: Annotated[
        str | None, typer.Option("--type", metavar="EVENT", help="Such as CredentialReplaced.")
    ] = None
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Only what this actor did.")] = None
    credential: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this credential's.")
    ] = None
    command: Annotated[
        str | None, typer.Option(metavar="ID", help="Only what this command did.")
    ] = None
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=100_000_000, help="The newest N.")
    ] = 100

    def only(self, *, beyond: int = 0) -> "Only":
        """The same as the registry takes it; with so many events beyond the limit."""
        from registry.moments import moment

        given = dataclasses.asdict(self)
        given.pop("account")
        given["limit"] += beyond
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
    wide: Wide = False,
) -> None:
    """Show who changed what, when and why.

    The newest events, the oldest of them first.

    A value is shown as name#fingerprint: equal fingerprints of a field mean equal values.
    """
    if run.named_actor is not None and only.by is None:
        # Otherwise the full list could be mistaken for the list of this actor's changes.
        run.output.notice(
            f"Note: --actor says who asks and leaves nothing out; "
            f"what {run.named_actor} did: --by {run.named_actor}"
        )
    if follow:
        _follow(run, only, as_lines=ndjson or run.output.as_json)
    elif ndjson:
        _lines(run, only)
    else:
        # Only one more tells whether these are all.
        events = run.registry.history(only.account, **only.only(beyond=1))
        cut, events = len(events) > only.limit, events[-only.limit :]
        older = f"There are older events. {_MORE}"
        table = functools.partial(_table, run, only, events, wide=wide)
        run.output.result(events, table, cut=older if cut else "")


def _lines(run: Run, only: Filter) -> None:
    count = 0
    for event in run.registry.stream_history(only.account, **only.only()):
        sys.stdout.write(to_json(event) + "\n")
        count += 1
    if count == only.limit:
        run.output.notice(f"There may be older events. {_MORE}")


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


def _table(run: Run, only: Filter, events: list[dict[str, Any]], *, wide: bool) -> None:
    if events or not sys.stdout.isatty():
        run.output.table(
            [*_COLUMNS, *(_IDS if wide else ())],
            (_cells(event) + (_ids(event) if wide else []) for event in events),
            under=("what", "why", *_IDS),
        )
    if not events:
        run.output.remark(_none(run, only))


def _none(run: Run, only: Filter) -> str:
    asked = {**dataclasses.asdict(only), "limit": None}
    newest = run.registry.history(limit=1)
    return none_fits("event", asked, lambda: newest[0]["position"] + 1 if newest else 0)


def _ids(event: dict[str, Any]) -> list[Any]:
    return [event["data"].get("credential_id"), event["command_id"]]


def _cells(event: dict[str, Any]) -> list[Any]:
    return [
        event["position"],
        when(event["recorded_at"], event["occurred_at"]),
        f"{event['actor']} as {event['recorded_by']}",
        event["account_name"],
        describe(event),
        event["reason"],
    ]
