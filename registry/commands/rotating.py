"""The verb `rotate-credential`: a new key comes into use, and the former one ends later."""

import datetime as dt
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.commands._changes import events_of, tell_notes
from registry.commands._client_config import ClientConfigFile, read_config
from registry.commands._options import AllowOtherAccount, AllowSharedSecret, SlotOptions
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.commands.credentials import CredentialOptions, FromJson, fields_given
from registry.errors import InvalidInput
from registry.hints import Command
from registry.plain import show
from registry.plurals import plural

if TYPE_CHECKING:
    from registry.checking.rotating import Rotated


@dataclass(frozen=True, slots=True)
class StepOptions:
    """The steps of a rotation; without one, a new key is prepared, checked and activated."""

    prepare: Annotated[
        bool, typer.Option("--prepare", help="Store the new key as pending: nobody uses it.")
    ] = False
    check: Annotated[
        bool | None,
        typer.Option("--check/--no-check", help="Ask the exchange about the new key, or do not."),
    ] = None
    activate: Annotated[
        bool, typer.Option("--activate", help="Bring the pending key into use, once it is checked.")
    ] = False
    abandon: Annotated[bool, typer.Option("--abandon", help="Give the pending key up.")] = False
    retire: Annotated[bool, typer.Option("--retire", help="End the grace of the former key.")] = (
        False
    )
    grace: Annotated[
        str,
        typer.Option(
            metavar="SPAN",
            help="How long the former key can still be asked for; 0h for not at all.",
        ),
    ] = "24h"
    version: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="The version to retire. [default: all]")
    ] = None
    although_held: Annotated[
        bool, typer.Option("--although-held", help="Retire it although somebody may still hold it.")
    ] = False


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Where the new key comes from, and what is allowed for it."""

    from_json: FromJson = None
    allow_shared_secret: AllowSharedSecret = False
    allow_other_account: AllowOtherAccount = False
    client_config: ClientConfigFile = None


@verb(changes=True)
def rotate_credential(
    run: Run,
    slot: SlotOptions,
    details: CredentialOptions,
    steps: StepOptions,
    source: SourceOptions,
) -> None:
    """Bring a new key into use; the former one ends later.

    The former key can be asked for by its version for a while. Nothing changes at the exchange:
    there both keys work, until you delete the former one.
    """
    config = read_config(source.client_config)
    asked = asdict(steps)
    is_new = steps.prepare or not (steps.check or steps.activate or steps.abandon or steps.retire)
    fields = None
    if is_new:
        fields = fields_given(
            run,
            slot,
            source.from_json,
            rotate=True,
            allow_other_account=source.allow_other_account,
        )
    elif source.from_json is not None:
        raise InvalidInput(
            "this step takes no new key, and --from-json gives one", hint="Add --prepare."
        )
    rotate: Any = run.registry.credentials.rotate  # options of several groups
    rotated = rotate(
        *slot.place,
        fields,
        **asked,
        **slot.which,
        **details.given(),
        allow_shared_secret=source.allow_shared_secret,
        client_config=config,
        **run.by,
    )
    _tell(run, slot, rotated)
    run.warn_of_readers(*([source.from_json] if source.from_json else []))


def _tell(run: Run, slot: SlotOptions, rotated: "Rotated") -> None:
    for outcome in rotated.outcomes:
        tell_notes(run, outcome)
    checked = rotated.checked
    for text in () if checked is None else (*checked.differences, *checked.warnings):
        run.output.notice(f"Note: {getattr(text, 'text', text)}")
    if rotated.state == "current":
        run.output.notice(f"Note: {_at_the_exchange(slot)}")
    run.output.result(_data(slot, rotated), lambda: run.output.line(_sentence(slot, rotated)))


def _at_the_exchange(slot: SlotOptions) -> str:
    held = Command("list-credentials", slot.account, held=True).as_command()
    return (
        f"at {slot.exchange} nothing has changed: the former key works there until you delete it. "
        f"It is safe to delete when nobody is named any more by: {held}"
    )


def _data(slot: SlotOptions, rotated: "Rotated") -> dict[str, Any]:
    checked = rotated.checked
    changes = [events_of(outcome) for outcome in rotated.outcomes]
    return {
        **slot.facts,
        "subaccount_index": rotated.slot.subaccount_index,
        "permission": rotated.slot.permission,
        "version": rotated.version,
        "state": rotated.state,
        "current_version": rotated.current_version,
        "usable_until": rotated.usable_until,
        "checked": None if checked is None else checked.outcome.value,
        "changed": any(change["changed"] for change in changes),
        "dry_run": any(change["dry_run"] for change in changes),
        "notes": [note for change in changes for note in change["notes"]],
        "events": [event for change in changes for event in change["events"]],
    }


def _sentence(slot: SlotOptions, rotated: "Rotated") -> str:
    name = f"version {rotated.version} of {slot.account} for {rotated.slot}"
    asked = "" if rotated.checked is None else "The exchange accepts the key. "
    outcomes = rotated.outcomes
    if any(outcome.dry_run for outcome in outcomes):
        types = ", ".join(kind for outcome in outcomes for kind in outcome.event_types)
        return f"Would have changed {name} (dry run, nothing was changed): {types or 'no event'}."
    positions = [str(position) for outcome in outcomes for position in outcome.positions]
    where = f" ({plural(len(positions), 'event')} {', '.join(positions)})" if positions else ""
    done = {
        "pending": f"{name} is pending, and nobody uses it",
        "current": f"{name} is in use from now on",
        "abandoned": f"{name} was given up",
        "retired": f"{name} is retired",
    }[rotated.state]
    grace = "" if rotated.usable_until is None else _grace(rotated.usable_until)
    return f"{asked}{done[0].upper()}{done[1:]}{where}.{grace}"


def _grace(ends: dt.datetime) -> str:
    return f" The former one can be asked for until {show(ends)}."
