"""The steps of `Credentials.rotate`, from its arguments."""

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from registry.catalog.specification import fields_of
from registry.checking.rotating import Rotated, Rotation, Step
from registry.checking.rotating import rotate as take_steps
from registry.errors import InvalidInput
from registry.facade.context import Context
from registry.facade.given import By, optional_id, split
from registry.hints import Hint, Option

if TYPE_CHECKING:
    from registry.execution.executor import Outcome, Task
    from registry.services.changes.slot_tasks import SlotName


def steps_of(named: Mapping[Any, bool], *, check: bool | None, is_new: bool) -> frozenset[Step]:
    """The steps that the arguments name; with a new key and no name, all from it to its use.

    Raises:
        InvalidInput: no step is named, and there is no new key.
    """
    steps = {step for step, wanted in named.items() if wanted}
    if not steps and check is not True:
        if not is_new:
            raise InvalidInput(
                "a rotation needs the fields of the new key, or a step",
                hint=Hint("A pending version is brought into use with ", Option("activate"), "."),
            )
        steps = {"prepare", "activate"}
    asks = "activate" in steps if check is None else check
    return frozenset(steps | {"check"} if asks else steps)


def rotate(
    context: Context,
    place: "tuple[str, SlotName]",
    steps: frozenset[Step],
    fields: Mapping[str, Any] | None,
    how: Mapping[str, Any],
    **more: Any,
) -> Rotated:
    """Takes the steps; see `Credentials.rotate`."""
    account, slot = place
    by, given = split(how)
    config, allowed = given.pop("client_config", None), given.pop("allow_shared_secret", False)
    wanted = Rotation(
        account=account,
        slot=slot,
        steps=steps,
        fields=None if fields is None else fields_of(slot.exchange, fields),
        details={name: value for name, value in given.items() if value is not None},
        allow_shared_secret=allowed,
        client_config=config,
        **more,
    )
    caller = context.caller("rotate", by.get("actor"), by.get("reason"))

    def execute(task: "Task", step: str) -> "Outcome":
        return context.execute(task, _by_of(by, step))

    dry_run = bool(by.get("dry_run"))
    return take_steps(context, context.keyring, wanted, execute, caller, dry_run=dry_run)


def _by_of(by: By, step: str) -> By:
    """The options of one step: each is a command of its own."""
    named = optional_id(by.get("command_id"), "a command's id")
    own: dict[str, Any] = {**by, "command_id": None if named is None else uuid.uuid5(named, step)}
    if step == "look":
        own |= {"command_id": None, "dry_run": True}
    elif step in ("record", "give_up", "activate"):
        own.pop("expected_version", None)  # the step before has met it
    if step == "record":
        own["command_id"] = None  # asked again, the exchange may say something else
    made: By = By(**own)  # type: ignore[typeddict-item]
    return made
