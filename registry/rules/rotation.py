"""Decisions about a rotation: a next version is prepared, comes into use, and the former ends.

A version is pending, current, in grace, or retired. Nothing of this happens at the exchange.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from projections.credentials import TABLE, CredentialRow
from projections.versions import VersionRow
from registry.encryption.secret import Secret
from registry.errors import CredentialNotFound, InvalidInput, VersionPending
from registry.events.base import EventModel
from registry.events.credentials import (
    CredentialPrepared,
    CredentialReplaced,
    CredentialVersionKept,
    CredentialVersionRetired,
    VersionEvent,
)
from registry.hints import Command, Hint
from registry.rules.account_state import AccountState, Slot, SlotQuery
from registry.rules.credentials import Sealer, active_credential, identity, place_of, version_of
from registry.rules.details import CredentialDetails, checked

_Event = TypeVar("_Event", bound=VersionEvent)


def prepare(
    state: AccountState,
    wanted: SlotQuery,
    fields: Mapping[str, Secret],
    given: Mapping[str, Any],
    *,
    sealer: Sealer,
) -> list[EventModel]:
    """Stores a next version, which nobody uses; the same one again is no event.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        CredentialNotFound, CredentialInactive: there is no credential in use.
        VersionPending: another version is pending.
        InvalidInput: a detail is not acceptable, or these are the secrets in use.
    """
    account = state.active_account()
    slot, row = active_credential(state, wanted)
    details = checked(CredentialDetails, TABLE, given)
    digests = sealer.fingerprints(slot.exchange_id, fields)
    if digests == state.fingerprints(row):
        raise InvalidInput(
            f"{state.name} uses these secrets for {slot} already, as version {row['version']}",
            hint="Make a new key at the exchange, and give that one.",
        )
    pending = state.pending_version(row)
    if pending is not None and state.sealed[pending["id"]]["fingerprints"] == digests:
        return []
    _refuse_another(state, slot, pending)
    credential_id = uuid.UUID(row["id"])
    version = state.last_version(slot) + 1
    sealed = sealer.seal(credential_id, version, place_of(account["id"], slot), fields)
    return [CredentialPrepared(**version_of(credential_id, slot, version, sealed), **details)]


def check_place(state: AccountState, wanted: SlotQuery) -> list[EventModel]:
    """Raises what `prepare` says of the place alone; no event."""
    state.active_account()
    slot, row = active_credential(state, wanted)
    _refuse_another(state, slot, state.pending_version(row))
    return []


def _refuse_another(state: AccountState, slot: Slot, pending: VersionRow | None) -> None:
    if pending is None:
        return
    raise VersionPending(
        f"version {pending['version']} of {state.name} for {slot} is pending already",
        hint=Hint(
            *("Bring it into use: ", rotate_command(state.name, slot, activate=True)),
            *("; or give it up: ", rotate_command(state.name, slot, abandon=True)),
        ),
    )


def activate(
    state: AccountState,
    wanted: SlotQuery,
    *,
    usable_until: dt.datetime | None,
    version: int | None = None,
) -> list[EventModel]:
    """Brings the pending version into use; the former can be asked for until a moment, if given.

    The end of the former secrets is not that of the new ones: it is cleared, unless the pending
    version has an end of its own. `version` is the pending one that the caller has seen.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        CredentialNotFound: there is no credential, or no such version is pending.
        CredentialInactive: the credential is deactivated.
    """
    state.active_account()
    _, row = active_credential(state, wanted)
    data = dict(state.sealed[the_pending(state, row, version)["id"]])
    if row["expires_at"] is not None:
        data.setdefault("expires_at", None)
    events: list[EventModel] = [CredentialReplaced.model_validate(data)]
    if usable_until is not None:
        former = next(v for v in state.versions_held(row["id"]) if v["id"] == row["data_key_id"])
        kept = version_event(CredentialVersionKept, state, row, former, usable_until=usable_until)
        events.append(kept)
    return events


def abandon(
    state: AccountState, wanted: SlotQuery, *, version: int | None = None
) -> list[EventModel]:
    """Gives the pending version up; `version` is the one that the caller has seen.

    Raises:
        AccountNotFound: the account was never created, or was deleted.
        CredentialNotFound: there is no credential, or no such version is pending.
    """
    _, row = state.find_credential(wanted)
    pending = the_pending(state, row, version)
    return [version_event(CredentialVersionRetired, state, row, pending)]


def retire(state: AccountState, wanted: SlotQuery, version: int | None) -> list[EventModel]:
    """Ends the grace of a former version, or of all.

    Raises:
        AccountNotFound: the account was never created, or was deleted.
        CredentialNotFound: there is no credential, or no such version is in grace.
    """
    slot, row = state.find_credential(wanted)
    former = [
        one
        for one in state.versions_held(row["id"])
        if one["usable_until"] is not None and version in (None, one["version"])
    ]
    if not former:
        which = "no former version" if version is None else f"no version {version}"
        raise CredentialNotFound(
            f"{which} of {state.name} for {slot} is in grace",
            hint=Hint("See: ", Command("list-credentials", state.name, versions=True)),
        )
    return [version_event(CredentialVersionRetired, state, row, one) for one in former]


def version_after(state: AccountState, row: CredentialRow, events: Sequence[EventModel]) -> int:
    """The number of the version that is pending after these events of `prepare`."""
    made = [event.version for event in events if isinstance(event, CredentialPrepared)]
    return made[0] if made else the_pending(state, row)["version"]


def the_pending(state: AccountState, row: CredentialRow, version: int | None = None) -> VersionRow:
    """The pending version of a credential; with a number, that one only.

    Raises:
        CredentialNotFound: there is none.
    """
    pending = state.pending_version(row)
    if pending is None or version not in (None, pending["version"]):
        slot = state.slot_of(row)
        which = "no version" if version is None else f"version {version}"
        is_pending = "is pending" if version is None else "is not pending any more"
        raise CredentialNotFound(
            f"{which} of {state.name} for {slot} {is_pending}",
            hint=Hint("Prepare one: ", rotate_command(state.name, slot)),
        )
    return pending


def version_event(
    kind: type[_Event], state: AccountState, row: CredentialRow, version: VersionRow, **more: Any
) -> _Event:
    """An event about a version of a credential."""
    known: dict[str, Any] = {
        "version": version["version"],
        "data_key_id": uuid.UUID(version["id"]),
    }
    return kind(**identity(state, row), **known, **more)


def rotate_command(account: str, slot: Slot, **step: Any) -> Command:
    """The command that rotates a slot's credential."""
    return Command(
        "rotate-credential",
        *(account, slot.exchange),
        subaccount=slot.subaccount_index,
        permission=None if slot.permission == "full" else slot.permission,
        **step,
    )
