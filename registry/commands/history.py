"""The verb `history`."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.commands._describe import describe, when
from registry.commands._options import ExchangeOption, OptionalAccount
from registry.commands._output import show, to_json
from registry.commands._run import Run, id_of
from registry.commands._verb import verb
from registry.errors import InvalidInput

if TYPE_CHECKING:
    from registry.services.reading.history import HistoryFilter


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events to show."""

    account: OptionalAccount = None
    exchange: ExchangeOption = None
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="From this moment on, ISO 8601.")
    ] = None
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Before this moment, ISO 8601.")
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

    def checked(self) -> "HistoryFilter":
        """The same in the form that the service takes.

        Raises:
            InvalidInput: a value is not a moment, an id or the name of an event.
        """
        from registry.services.reading.history import HistoryFilter
        from registry.values import moment

        if self.event_type is not None:
            _check_type(self.event_type)
        return HistoryFilter(
            account=self.account,
            exchange=self.exchange,
            credential_id=id_of(self.credential, "--credential"),
            event_type=self.event_type,
            actor=self.by,
            command_id=id_of(self.command, "--command"),
            since=None if self.since is None else moment(self.since, "--since"),
            until=None if self.until is None else moment(self.until, "--until"),
            limit=self.limit,
        )


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
    from registry.services.reading import history as service

    wanted = only.checked()
    if run.named_actor is not None and wanted.actor is None:
        # Else a list of everything could pass for a list of what this actor did.
        run.output.notice(
            f"Note: --actor says who asks and leaves nothing out; "
            f"what {run.named_actor} did: --by {run.named_actor}"
        )
    if follow:
        _follow(run, wanted, as_lines=ndjson or run.output.as_json)
    elif ndjson:
        for event in service.stream_history(run.database, wanted):
            sys.stdout.write(to_json(event) + "\n")
    else:
        events = service.history(run.database, wanted)
        run.output.result(events, lambda: _table(run, events))


def _follow(run: Run, wanted: "HistoryFilter", *, as_lines: bool) -> None:
    from registry.services.reading import history as service

    def lost(why: str) -> None:
        run.output.notice(f"{why}; trying again, no event is missed")

    try:
        for event in service.follow(run.database, wanted, lost):
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


def _check_type(event_type: str) -> None:
    from difflib import get_close_matches

    from registry.events.codec import EVENT_TYPES

    if event_type not in EVENT_TYPES:
        close = get_close_matches(event_type, EVENT_TYPES, n=3) or sorted(EVENT_TYPES)
        raise InvalidInput(
            f"there are no events of the type {event_type!r}", hint=f"Such as {', '.join(close)}."
        )
