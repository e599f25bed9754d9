"""Decisions about credentials."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from projections.credentials import TABLE, CredentialRow
from registry.encryption.secret import Secret
from registry.errors import Conflict, CredentialExists, CredentialInactive, InvalidInput
from registry.events.base import EventModel
from registry.events.credentials import (
    CredentialAdded,
    CredentialChecked,
    CredentialDeactivated,
    CredentialPrepared,
    CredentialReactivated,
    CredentialRemoved,
    CredentialReplaced,
    CredentialUpdated,
)
from registry.hints import Blank, Command, Hint, Option
from registry.rules.account_state import AccountState, Slot, SlotQuery
from registry.rules.details import CredentialDetails, changes, checked, differences

if TYPE_CHECKING:
    from registry.encryption.sealing import Place


@dataclass(frozen=True, slots=True)
class Sealed:
    """Fields that are sealed under a data key of their own."""

    data_key_id: uuid.UUID
    tokens: Mapping[str, str]
    fingerprints: Mapping[str, str]


class Sealer(Protocol):
    """Seals fields; the one part of a decision that needs keys."""

    def fingerprints(self, exchange_id: int, fields: Mapping[str, Secret]) -> dict[str, str]:
        """Keyed digests of the fields; equal values have equal digests."""

    def seal(
        self, credential_id: uuid.UUID, version: int, place: "Place", fields: Mapping[str, Secret]
    ) -> Sealed:
        """Seals the fields of one version, bound to their place."""


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """The result for a credential that was given."""

    slot: Slot
    change: Literal["added", "replaced", "updated", "unchanged", "prepared", "retired"]
    version: int
    previous_version: int | None = None
    """The version in the slot before, if any."""

    @classmethod
    def of(
        cls, state: AccountState, slot: Slot, events: Sequence[EventModel]
    ) -> "StoredCredential":
        """The effect of these events on a slot of this state."""
        row = state.credential_in(slot)
        before = None if row is None else row["version"]
        match events:
            case [CredentialAdded(version=version)]:
                return cls(slot, "added", version)
            case [CredentialReplaced(version=version), *_]:
                return cls(slot, "replaced", version, before)
            case [CredentialPrepared(version=version)]:
                return cls(slot, "prepared", version, before)
            case _:
                return cls(slot, "updated" if events else "unchanged", before or 0, before)


def add(
    state: AccountState,
    slot: Slot,
    fields: Mapping[str, Secret],
    given: Mapping[str, Any],
    *,
    sealer: Sealer,
    new_id: uuid.UUID,
    beside_others: bool = True,
) -> list[EventModel]:
    """Adds a credential to an empty slot.

    `beside_others` allows credentials in other subaccounts, since the caller named this one.
    A caller that named none probably forgot it, and does not want a second credential.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        CredentialExists: the slot is taken.
        InvalidInput: a detail is not acceptable.
    """
    account = state.active_account()
    _refuse_taken(state, slot, beside_others=beside_others)
    version = state.last_version(slot) + 1
    sealed = sealer.seal(new_id, version, place_of(account["id"], slot), fields)
    details = checked(CredentialDetails, TABLE, given)
    return [CredentialAdded(**version_of(new_id, slot, version, sealed), **details)]


def check_place(state: AccountState, wanted: SlotQuery, *, replace: bool) -> list[EventModel]:
    """Raises what `add`, or `replace`, says of the place alone; no event."""
    state.active_account()
    if replace:
        active_credential(state, wanted)
    else:
        named = wanted.subaccount_index is not None
        _refuse_taken(state, wanted.slot(), beside_others=named)
    return []


def _refuse_taken(state: AccountState, slot: Slot, *, beside_others: bool) -> None:
    others = SlotQuery(slot.exchange_id, slot.exchange, None, slot.permission)
    taken = state.credential_in(slot)
    if taken is None and not beside_others:
        taken = next((row for row in state.credentials() if others.matches(row)), None)
    if taken is not None:
        command = Command("replace-credential", state.name, slot.exchange)
        number = Option("subaccount", Blank("N"))
        raise CredentialExists(
            f"account {state.name} has a credential for {state.slot_of(taken)} already",
            hint=Hint("For new secrets: ", command, "; for another slot add ", number, "."),
        )


def import_slot(state: AccountState, wanted: SlotQuery) -> SlotQuery:
    """The slot of an import. Where only one of them is in use, subaccount 0 and none are the same.

    A subaccount that nobody names is none, for imports as for `add`: most exchanges have none, and
    a number says something about the exchange. Bots' own imports wrote 0 for every exchange.

    Raises:
        InvalidInput: no subaccount is named, and only subaccounts other than 0 are in use.
    """
    alike = SlotQuery(wanted.exchange_id, wanted.exchange, None, wanted.permission or "full")
    held = [state.slot_of(row) for row in state.credentials() if alike.matches(row)]
    numbers = {slot.subaccount_index for slot in held}
    if wanted.subaccount_index is None and numbers and not numbers & {0, None}:
        there = [Option("subaccount", number) for number in sorted(filter(None, numbers))]
        known, new = Hint.joined(" or ", there), Option("subaccount", 0)
        raise InvalidInput(
            f"account {state.name} has {_in_words(held)}, and the import names no subaccount",
            hint=Hint(known, " replaces what is there, ", new, " adds a credential beside it."),
        )
    number = wanted.subaccount_index
    main = numbers & {0, None}
    if number in (0, None) and main and number not in main:
        (number,) = main
    return SlotQuery(wanted.exchange_id, wanted.exchange, number, wanted.permission)


def must_choose(state: AccountState, slot: Slot) -> list[str]:
    """The note for loaders if a slot gets an active credential next to exactly one other."""
    alike = SlotQuery(slot.exchange_id, slot.exchange, None, slot.permission)
    others = [
        state.slot_of(row)
        for row in state.credentials()
        if row["is_active"] and alike.matches(row) and state.slot_of(row) != slot
    ]
    if len(others) != 1:
        return []
    both = _in_words([*others, slot])
    return [f"{state.name} has {both} from now on: a load that names no subaccount is refused"]


def came_back(state: AccountState, slot: Slot, keys: Mapping[str, str]) -> list[str]:
    """The note that a former key returns to its slot; `keys` are fingerprints of the new version.

    A key that was taken out of use may have leaked, and old signatures of it can be replayed.
    """
    row = state.credential_in(slot)
    versions = state.versions_of(slot)
    current = {} if row is None else versions.get(row["version"], {})
    for number in sorted(versions, reverse=True):
        former = versions[number]
        same = [n for n, digest in keys.items() if former.get(n) == digest != current.get(n)]
        if same:
            return [f"{slot} gets back the {' and '.join(same)} of its version {number}"]
    return []


def _in_words(slots: Iterable[Slot]) -> str:
    return " and ".join(str(slot) for slot in slots)


def replace(
    state: AccountState,
    wanted: SlotQuery,
    fields: Mapping[str, Secret],
    given: Mapping[str, Any],
    *,
    sealer: Sealer,
) -> list[EventModel]:
    """Replaces the secrets of a slot with a next version; equal secrets add no version.

    The end of the old secrets is not that of the new ones: unless it is given, it is cleared.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        CredentialNotFound: the slot is empty.
        CredentialInactive: the credential is deactivated.
        InvalidInput: a detail is not acceptable.
    """
    account = state.active_account()
    slot, row = active_credential(state, wanted)
    details = checked(CredentialDetails, TABLE, given)
    changed = differences(TABLE.details_in(row), details)
    if sealer.fingerprints(slot.exchange_id, fields) == state.fingerprints(row):
        return _update(state, row, changed)
    credential_id = uuid.UUID(row["id"])
    version = state.last_version(slot) + 1
    sealed = sealer.seal(credential_id, version, place_of(account["id"], slot), fields)
    if row["expires_at"] is not None and "expires_at" not in given:
        changed["expires_at"] = None
    return [CredentialReplaced(**version_of(credential_id, slot, version, sealed), **changed)]


def update(state: AccountState, wanted: SlotQuery, given: Mapping[str, Any]) -> list[EventModel]:
    """Changes details of a credential.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        CredentialNotFound: there is none.
        InvalidInput: a detail is not acceptable, or none is named.
    """
    state.active_account()
    _, row = state.find_credential(wanted)
    return _update(state, row, changes(CredentialDetails, TABLE, row, given))


def deactivate(state: AccountState, wanted: SlotQuery) -> list[EventModel]:
    """Stops the credential: it may not be used.

    Raises:
        AccountNotFound: the account was never created, or was deleted.
        CredentialNotFound: there is none.
        CredentialInactive: it is deactivated already.
    """
    _check_account_exists(state)
    _, row = active_credential(state, wanted)
    return [CredentialDeactivated(**identity(state, row))]


def reactivate(state: AccountState, wanted: SlotQuery) -> list[EventModel]:
    """Lets the credential be used again.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        CredentialNotFound: there is none.
        Conflict: it is active.
    """
    state.active_account()
    slot, row = state.find_credential(wanted)
    if row["is_active"]:
        raise Conflict(f"the credential of {state.name} for {slot} is active already")
    return [CredentialReactivated(**identity(state, row))]


def remove(state: AccountState, wanted: SlotQuery) -> list[EventModel]:
    """Empties the slot.

    Raises:
        AccountNotFound: the account was never created, or was deleted.
        CredentialNotFound: there is none.
    """
    _check_account_exists(state)
    _, row = state.find_credential(wanted)
    return [removal(state, row)]


def was_checked(
    state: AccountState, credential_id: uuid.UUID, version: int, told: Mapping[str, Any]
) -> list[EventModel]:
    """Records what an exchange said of a version, the current one or the pending one by now."""
    rows = (row for row in state.credentials() if row["id"] == str(credential_id))
    row = next(rows, None)
    pending = None if row is None else state.pending_version(row)
    known = [held["version"] for held in (row, pending) if held is not None]
    if row is None or version not in known:
        return []
    return [CredentialChecked(**identity(state, row), version=version, **told)]


def removal(state: AccountState, row: CredentialRow) -> EventModel:
    """The event that removes this credential from its slot."""
    return CredentialRemoved(**identity(state, row))


def _check_account_exists(state: AccountState) -> None:
    _ = state.account  # raises AccountNotFound


def active_credential(state: AccountState, wanted: SlotQuery) -> tuple[Slot, CredentialRow]:
    """The one active credential that matches.

    Raises:
        CredentialNotFound: there is none.
        CredentialInactive: it is deactivated.
    """
    slot, row = state.find_credential(wanted)
    if not row["is_active"]:
        raise CredentialInactive(
            f"the credential of {state.name} for {slot} is inactive",
            hint=Hint(
                "Reactivate it first: ", Command("reactivate-credential", state.name, slot.exchange)
            ),
        )
    return slot, row


def _update(
    state: AccountState, row: CredentialRow, changed: Mapping[str, Any]
) -> list[EventModel]:
    return [CredentialUpdated(**identity(state, row), **changed)] if changed else []


def place_of(account_id: str, slot: Slot) -> "Place":
    """The place that the tokens of a slot are bound to."""
    from registry.encryption.sealing import Place

    return Place(uuid.UUID(account_id), slot.exchange_id, slot.subaccount_index, slot.permission)


def version_of(
    credential_id: uuid.UUID, slot: Slot, version: int, sealed: Sealed
) -> dict[str, Any]:
    """The fields of the event that brings a version of a credential."""
    return {"credential_id": credential_id, **asdict(slot), "version": version, **asdict(sealed)}


def identity(state: AccountState, row: CredentialRow) -> dict[str, Any]:
    """The fields of every event of this credential: its id and its slot."""
    return {"credential_id": uuid.UUID(row["id"]), **asdict(state.slot_of(row))}
