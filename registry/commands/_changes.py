"""The output of a change, as text and as JSON; and the stops that are in force."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from registry.commands._run import Run
from registry.hints import commands_of
from registry.plurals import plural

if TYPE_CHECKING:
    from registry.execution.executor import Outcome
    from registry.rules.credentials import StoredCredential
    from registry.rules.stops import Stop


def tell(run: Run, outcome: "Outcome", done: str, **facts: Any) -> None:
    """Prints the result; `done` reads like "created account main_bot"."""
    tell_notes(run, outcome)
    run.output.result(
        {**facts, **events_of(outcome)}, lambda: run.output.line(sentence(outcome, done))
    )


def tell_notes(run: Run, outcome: "Outcome") -> None:
    """Prints the notes of an outcome on standard error."""
    for note in outcome.notes:
        run.output.notice(f"Note: {commands_of(note)}")


def events_of(outcome: "Outcome") -> dict[str, Any]:
    """The part of the JSON that is the same for every change."""
    positions = outcome.positions or (None,) * len(outcome.event_types)
    return {
        "command_id": outcome.command_id,
        "changed": outcome.changed and not outcome.dry_run,
        "replayed": outcome.replayed,
        "dry_run": outcome.dry_run,
        "notes": [commands_of(note) for note in outcome.notes],
        **(
            {"credentials": [_stored(stored) for stored in outcome.stored]}
            if outcome.stored
            else {}
        ),
        "events": [
            {"type": event_type, "position": position}
            for event_type, position in zip(outcome.event_types, positions, strict=True)
        ],
    }


def _stored(stored: "StoredCredential") -> dict[str, Any]:
    return {
        "exchange": stored.slot.exchange,
        "subaccount_index": stored.slot.subaccount_index,
        "permission": stored.slot.permission,
        "change": stored.change,
        "version": stored.version,
        "previous_version": stored.previous_version,
    }


def versions(stored: "StoredCredential") -> str:
    """The slot, and for a replacement both versions: "aster subaccount 0, version 1→2"."""
    known = f", version {stored.previous_version}→{stored.version}"
    return f"{stored.slot}{known if stored.change == 'replaced' else ''}"


def sentence(outcome: "Outcome", done: str) -> str:
    """The outcome of a change as one sentence."""
    if not outcome.changed:
        return "Nothing to change: it is already like this."
    if outcome.dry_run:
        events = ", ".join(outcome.event_types) or "no event"
        return f"Would have {done} (dry run, nothing was changed): {events}."
    if outcome.repaired:
        return f"{done[0].upper()}{done[1:]} (no event: the log has it already)."
    where = ", ".join(str(position) for position in outcome.positions)
    events = plural(len(outcome.positions), "event")
    again = "; the command was applied before, this is its first result" if outcome.replayed else ""
    return f"{done[0].upper()}{done[1:]} ({events} {where}{again})."


def stops_of(records: "Iterable[Mapping[str, Any]]") -> "list[Stop]":
    """The stops that records of a list name, each once."""
    from registry.rules.stops import Stop

    named = [record["stop"] for record in records if record.get("stop")]
    return [Stop.of(stop) for stop in {stop["position"]: stop for stop in named}.values()]


def tell_stops(run: Run, stops: "Iterable[Stop]") -> None:
    """Prints stops that are in force, and how each is taken back."""
    for stop in stops:
        run.output.line(f"Stopped: {stop}")
        run.output.line(f"  {commands_of(stop.hint)}")
