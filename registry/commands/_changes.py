"""How the outcome of a change is told."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from registry.commands._run import Run
from registry.errors import InvalidInput
from registry.plurals import plural

if TYPE_CHECKING:
    from registry.execution.executor import Outcome
    from registry.rules.credentials import StoredCredential


def tell(run: Run, outcome: "Outcome", done: str, **facts: Any) -> None:
    """Says what was done; `done` reads like "created account main_bot"."""
    tell_notes(run, outcome)
    run.output.result(
        {**facts, **events_of(outcome)}, lambda: run.output.line(sentence(outcome, done))
    )


def tell_notes(run: Run, outcome: "Outcome") -> None:
    """Says what the caller should know beside what was done."""
    for note in outcome.notes:
        run.output.notice(f"Note: {note}")


def events_of(outcome: "Outcome") -> dict[str, Any]:
    """What the JSON of every change says."""
    positions = outcome.positions or (None,) * len(outcome.event_types)
    return {
        "command_id": outcome.command_id,
        "changed": outcome.changed and not outcome.dry_run,
        "replayed": outcome.replayed,
        "dry_run": outcome.dry_run,
        "notes": list(outcome.notes),
        **({"credentials": [_stored(one) for one in outcome.stored]} if outcome.stored else {}),
        "events": [
            {"type": event_type, "position": position}
            for event_type, position in zip(outcome.event_types, positions, strict=True)
        ],
    }


def _stored(one: "StoredCredential") -> dict[str, Any]:
    return {
        "exchange": one.slot.exchange,
        "subaccount_index": one.slot.subaccount_index,
        "permission": one.slot.permission,
        "change": one.change,
        "version": one.version,
        "previous_version": one.previous_version,
    }


def versions(one: "StoredCredential") -> str:
    """The slot, and the versions that came and went: "aster subaccount 0, version 1→2"."""
    known = f", version {one.previous_version}→{one.version}"
    return f"{one.slot}{known if one.change == 'replaced' else ''}"


def with_cleared(
    what: str,
    changes: Mapping[str, Any],
    clear: Sequence[str] | None,
    empty: Mapping[str, tuple[str, Any]],
) -> dict[str, Any]:
    """The changes, and the details that are to be emptied too.

    `empty` says by each detail's name for people which column it is, and its empty value.

    Raises:
        InvalidInput: there is no such detail, or it is set at the same time.
    """
    cleared = {}
    for detail in clear or []:
        if detail not in empty:
            raise InvalidInput(
                f"{what} has no detail {detail!r} to clear",
                hint=f"It is one of: {', '.join(empty)}.",
            )
        column, value = empty[detail]
        if column in changes:
            raise InvalidInput(f"{detail} cannot be set and cleared at once")
        cleared[column] = value
    return {**changes, **cleared}


def sentence(outcome: "Outcome", done: str) -> str:
    """What the text of every change says."""
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
