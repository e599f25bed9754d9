"""A whole rotation: a next version is stored, asked about at the exchange, and comes into use.

Each step is a command of its own, so that a rotation which was cut off goes on where it stopped.
"""

import contextlib
import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from registry.catalog.specification import Field
from registry.checking.asking import ClientConfig, Finding
from registry.checking.checks import PURPOSE, ask_one, recorded
from registry.checking.findings import Checked, CheckOutcome, differences, warnings
from registry.client_making import import_ccxt
from registry.database.connection import Database
from registry.errors import (
    CredentialNotFound,
    DeadKey,
    ExchangeGaveNoAnswer,
    InvalidInput,
    MissingExtra,
    NotCheckable,
    RegistryError,
)
from registry.execution.executor import Outcome, Task
from registry.hints import Command, Hint, Option
from registry.rules.account_state import Slot
from registry.rules.rotation import rotate_command
from registry.services.changes.rotating import ActivateTask, PrepareTask, RetireTask, abandon
from registry.services.changes.slot_tasks import SlotName
from registry.services.reading.accounts import list_credentials
from registry.services.reading.versions import details_of_version, version_of_event
from registry.services.releases.releases import Caller, ReleasedCredential, ReleaseService
from registry.services.releases.resolution import Resolution, Wish

if TYPE_CHECKING:
    from registry.encryption.keyring import MasterKeyring
    from registry.events.permissions import Access

Step = Literal["prepare", "check", "activate", "abandon", "retire"]
Execute = Callable[[Task, str], Outcome]
"""Executes the task of a step, named by the text."""

_ONE_GO: Final[frozenset[Step]] = frozenset({"prepare", "check", "activate"})
_LONGEST_GRACE: Final = dt.timedelta(days=3660)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The request: the credential, and the steps to take."""

    account: str
    slot: SlotName
    steps: frozenset[Step] = _ONE_GO
    fields: Mapping[str, Field] | None = None
    """The new key, for `prepare`."""
    details: Mapping[str, Any] = field(default_factory=dict)
    grace: dt.timedelta = dt.timedelta(hours=24)
    """For how long the former version can still be asked for."""
    version: int | None = None
    """The version to retire; None: all that are in grace."""
    although_held: bool = False
    allow_shared_secret: bool = False
    client_config: ClientConfig | None = None

    def __post_init__(self) -> None:
        if not self.steps or (len(self.steps) > 1 and not self.steps <= _ONE_GO):
            raise InvalidInput("these steps of a rotation do not go together")
        if ("prepare" in self.steps) != (self.fields is not None):
            what = "needs the fields of the new key" if self.fields is None else "takes no new key"
            raise InvalidInput(f"this step of a rotation {what}")
        if self.details and "prepare" not in self.steps:
            raise InvalidInput("the details of a new key are given when it is prepared")
        if "retire" not in self.steps and (self.version is not None or self.although_held):
            raise InvalidInput("only retiring takes a version, or goes by who holds it")
        if not dt.timedelta(0) <= self.grace <= _LONGEST_GRACE:
            raise InvalidInput("a grace is no negative time, and ten years at most")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The result of a rotation's steps."""

    account: str
    slot: Slot
    version: int
    """The version that the steps were about; of several retired ones the last."""
    state: Literal["pending", "current", "abandoned", "retired"]
    """Its state now."""
    current_version: int
    """The version in use."""
    usable_until: dt.datetime | None = None
    """The end of the grace of the version that was replaced."""
    checked: Checked | None = None
    """What the exchange said."""
    outcomes: tuple[Outcome, ...] = ()
    """The outcome of each command."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the caller."""
        return tuple(note for outcome in self.outcomes for note in outcome.notes)


def rotate(
    database: Database,
    keyring: "Callable[[], MasterKeyring]",
    wanted: Rotation,
    execute: Execute,
    caller: Caller,
    *,
    dry_run: bool = False,
) -> Rotated:
    """Takes the steps of a rotation.

    Raises:
        DeadKey: the exchange refuses the new key; if it was prepared just now, it is given up.
        ExchangeGaveNoAnswer, NotCheckable: the new key stays pending.
        MissingExtra: ccxt is not installed; nothing is stored.
        VersionPending, CredentialNotFound, CredentialInactive: see `registry.rules.rotation`.
        VersionHeld: somebody may still hold what is to be retired.
        RegistryError: as for a replacement.
    """
    if "retire" in wanted.steps or "abandon" in wanted.steps:
        return _end(database, wanted, execute)
    if "check" in wanted.steps:
        _need_ccxt()
    return _Run(database, keyring, wanted, execute, caller, dry_run=dry_run).all_steps()


def _need_ccxt() -> None:
    try:
        import_ccxt("ccxt")
    except MissingExtra as missing:
        unasked = Hint(f"{missing.hint}; without asking, add ", Option("check", False), ".")
        raise MissingExtra(str(missing), hint=unasked) from None


def _end(database: Database, wanted: Rotation, execute: Execute) -> Rotated:
    place = wanted.account, wanted.slot
    if "abandon" in wanted.steps:
        return _result(database, wanted, execute(abandon(*place), "abandon"), "abandoned")
    task = RetireTask(*place, wanted.version, although_held=wanted.although_held)
    return _result(database, wanted, execute(task, "retire"), "retired")


def _result(
    database: Database,
    wanted: Rotation,
    outcome: Outcome,
    state: Literal["pending", "current", "abandoned", "retired"],
) -> Rotated:
    if outcome.replayed:
        # It was applied before, perhaps before the connection was lost: the log knows what it did.
        found = version_of_event(database, outcome.positions[-1])
        slot, version, current = found.slot, found.version, found.current_version
        if state == "pending" and found.state != "pending":
            state = "current" if found.state == "current" else "retired"
    else:
        stored = outcome.stored[-1]
        slot, version, current = stored.slot, stored.version, stored.previous_version or 0
    return Rotated(
        account=wanted.account,
        slot=slot,
        version=version,
        state=state,
        current_version=current,
        outcomes=(outcome,),
    )


class _Run:
    """The steps from a new key to a version in use."""

    def __init__(
        self,
        database: Database,
        keyring: "Callable[[], MasterKeyring]",
        wanted: Rotation,
        execute: Execute,
        caller: Caller,
        *,
        dry_run: bool,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._wanted = wanted
        self._execute = execute
        self._caller = replace(caller, purpose=PURPOSE)
        self._dry_run = dry_run

    def all_steps(self) -> Rotated:
        steps = self._wanted.steps
        result = self._prepared() if "prepare" in steps else self._pending()
        if "check" in steps and not self._dry_run and result.state == "pending":
            result = self._checked(result)
        if "activate" not in steps or (self._dry_run and "prepare" in steps):
            return result
        return self._activated(result)

    def _prepared(self) -> Rotated:
        wanted = self._wanted
        task = PrepareTask(
            wanted.account,
            wanted.slot,
            wanted.fields or {},
            wanted.details,
            self._keyring(),
            allow_shared_secret=wanted.allow_shared_secret,
        )
        outcome = self._execute(task, "prepare")
        return _result(self._database, wanted, outcome, "pending")

    def _pending(self) -> Rotated:
        """The pending version, as bringing it into use would find it."""
        task = ActivateTask(self._wanted.account, self._wanted.slot, dt.timedelta(0))
        (stored,) = self._execute(task, "look").stored
        return Rotated(
            account=self._wanted.account,
            slot=stored.slot,
            version=stored.version,
            state="pending",
            current_version=stored.previous_version or 0,
        )

    def _activated(self, before: Rotated) -> Rotated:
        wanted = self._wanted
        slot = _name_of(before.slot)
        # This version and no other: it is the one that was checked.
        task = ActivateTask(wanted.account, slot, wanted.grace, before.version)
        outcome = self._execute(task, "activate")
        return replace(
            before,
            state="pending" if self._dry_run else "current",
            current_version=before.version,
            usable_until=task.usable_until,
            outcomes=(*before.outcomes, outcome),
        )

    # ------------------------------------------------------------ asking the exchange

    def _checked(self, pending: Rotated) -> Rotated:
        record = self._record(pending.slot)
        details = details_of_version(self._database, record["id"], pending.version)
        ends = details.get("expires_at")
        said = {
            **{name: details.get(name) for name in ("ip_allow_list", "exchange_account_id")},
            "permission": pending.slot.permission,
            "expires_at": ends and dt.datetime.fromisoformat(ends),
        }
        finding = self._ask(pending)
        checked = Checked(
            account_name=pending.account,
            exchange=pending.slot.exchange,
            subaccount_index=pending.slot.subaccount_index,
            permission=pending.slot.permission,
            version=pending.version,
            credential_id=record["id"],
            outcome=finding.outcome,
            why=finding.why,
            hint=finding.hint,
            facts=finding.facts,
            differences=tuple(differences(said, finding.facts)),
            warnings=tuple(warnings(finding.facts)),
        )
        outcomes = [self._execute(task, "record") for task in recorded([checked])]
        if finding.outcome is not CheckOutcome.VALID:
            raise self._refusal(pending, finding)
        return replace(pending, checked=checked, outcomes=(*pending.outcomes, *outcomes))

    def _record(self, slot: Slot) -> Mapping[str, Any]:
        for record in list_credentials(self._database, self._wanted.account, slot.exchange):
            place = record["subaccount_index"], record["permission"]
            if place == (slot.subaccount_index, slot.permission):
                return record
        raise CredentialNotFound(f"the credential of {self._wanted.account} is gone meanwhile")

    def _ask(self, pending: Rotated) -> Finding:
        keyring, slot = self._keyring(), pending.slot
        service = ReleaseService(self._database, keyring)
        spec = service.specification(slot.exchange)
        wanted = self._wanted
        if wanted.fields is not None:
            where = Resolution(
                account=wanted.account, exchange=slot.exchange, outcome="ok", wish=Wish()
            )
            released = ReleasedCredential(
                resolution=where,
                release_id=uuid.UUID(int=0),
                position=-1,
                fields=spec.check(wanted.fields),
                subaccount_index=None,
            )
        else:
            access: Access = "full" if slot.permission == "full" else "read_only"
            chosen = {slot.exchange: slot.subaccount_index}
            wish = Wish.of(chosen, access, version=pending.version)
            released = service.release_one(wanted.account, slot.exchange, wish, self._caller)
        return ask_one(spec, released, wanted.client_config)

    def _refusal(self, pending: Rotated, finding: Finding) -> RegistryError:
        """The error for a key that is not valid; one that is dead and new is given up."""
        name = _name_of(pending.slot)
        is_new = self._wanted.fields is not None
        stays = f"version {pending.version} stays pending"
        if finding.outcome.is_dead and is_new:
            stays = f"version {pending.version} was given up"
            with contextlib.suppress(CredentialNotFound):  # somebody else did
                self._execute(abandon(pending.account, name, pending.version), "give_up")
        kind: type[RegistryError] = NotCheckable
        result, hint = "was not checked", _go_on(pending)
        if finding.outcome.is_dead:
            kind, result, hint = DeadKey, "does not work", _another(pending, is_new=is_new)
        elif finding.outcome.was_asked:
            kind = ExchangeGaveNoAnswer
        return kind(
            f"the new {name.exchange} key of {pending.account} {result}, {finding.outcome.words}: "
            f"{finding.why}; {stays}, version {pending.current_version} stays in use",
            hint=hint,
        )


def _go_on(pending: Rotated) -> Hint:
    again = _command(pending, activate=True)
    return Hint("Go on later with: ", again, "; without asking, add ", Option("check", False), ".")


def _another(pending: Rotated, *, is_new: bool) -> Hint:
    other = Hint("A key that works comes in with: ", _command(pending))
    return other if is_new else Hint("Give it up: ", _command(pending, abandon=True), ". ", other)


def _command(pending: Rotated, **step: Any) -> Command:
    return rotate_command(pending.account, pending.slot, **step)


def _name_of(slot: Slot) -> SlotName:
    return SlotName(slot.exchange, slot.subaccount_index, slot.permission)  # type: ignore[arg-type]
