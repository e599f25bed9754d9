"""Decisions about credentials."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from projections.credentials import TABLE, CredentialRow
from registry.encryption.sealing import Place
from registry.encryption.secret import Secret
from registry.errors import Conflict, CredentialExists, CredentialInactive, InvalidInput
from registry.events.base import EventModel
from registry.events.credentials import (
    CredentialAdded,
    CredentialDeactivated,
    CredentialReactivated,
    CredentialRemoved,
    CredentialReplaced,
    CredentialUpdated,
)
from registry.hints import Blank, Command, Hint, Option
from registry.rules.account_state import AccountState, Slot, SlotQuery
from registry.rules.details import CredentialDetails, changes, checked, differences


@dataclass(frozen=True, slots=True)
class Sealed:
    """Fields that were sealed under a data key of their own."""

    data_key_id: uuid.UUID
    tokens: Mapping[str, str]
    fingerprints: Mapping[str, str]


class Sealer(Protocol):
    """Seals fields; the one part of a decision that needs keys."""

    def fingerprints(self, exchange_id: int, fields: Mapping[str, Secret]) -> dict[str, str]:
        """Digests that are equal for equal values."""

    def seal(
        self, credential_id: uuid.UUID, version: int, place: Place, fields: Mapping[str, Secret]
    ) -> Sealed:
        """The fields of one version, bound to their place."""


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """What became of a credential that was given."""

    slot: Slot
    change: Literal["added", "replaced", "updated", "unchanged"]
    version: int
    previous_version: int | None = None
    """Of what the slot held before, if anything."""

    @classmethod
    def of(
        cls, state: AccountState, slot: Slot, events: Sequence[EventModel]
    ) -> "StoredCredential":
        """What these events do to a slot of this state."""
        row = state.credential_in(slot)
        before = None if row is None else row["version"]
        match events:
            case [CredentialAdded(version=version)]:
                return cls(slot, "added", version)
            case [CredentialReplaced(version=version)]:
                return cls(slot, "replaced", version, before)
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
    """A credential for an empty slot.

    `beside_others` says that other subaccounts may have credentials too, since the caller
    named this one. A caller that named none more likely forgot than wants a second credential.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        CredentialExists: the slot is taken.
        InvalidInput: a detail is not acceptable.
    """
    account = state.active_account()
    others = SlotQuery(slot.exchange_id, slot.exchange, None, slot.permission)
    taken = state.credential_in(slot)
    if taken is None and not beside_others:
        taken = next((row for row in state.credentials() if others.matches(row)), None)
    if taken is not None:
        raise CredentialExists(
            f"account {state.name} has a credential for {state.slot_of(taken)} already",
            hint=Hint(
                "For new secrets: ",
                Command("replace-credential", state.name, slot.exchange),
                "; for another slot add ",
                Option("subaccount", Blank("N")),
                ".",
            ),
        )
    version = state.last_version(slot) + 1
    sealed = sealer.seal(new_id, version, place_of(account["id"], slot), fields)
    details = checked(CredentialDetails, TABLE, given)
    return [CredentialAdded(**_version(new_id, slot, version, sealed), **details)]


def import_slot(state: AccountState, wanted: SlotQuery, *, by_default: bool) -> SlotQuery:
    """The slot of an import. The one without a subaccount is meant by 0 where it is in use.

    `by_default` says that 0 is not what the caller named, but where imports go.

    Raises:
        InvalidInput: no subaccount is named, and only others than 0 are in use.
    """
    alike = SlotQuery(wanted.exchange_id, wanted.exchange, None, wanted.permission or "full")
    held = [state.slot_of(row) for row in state.credentials() if alike.matches(row)]
    numbers = {slot.subaccount_index for slot in held}
    if by_default and numbers and not numbers & {0, None}:
        choices = [Hint(Option("subaccount", n)) for n in sorted(filter(None, numbers))]
        raise InvalidInput(
            f"account {state.name} has {_in_words(held)}, and the import names no subaccount",
            hint=Hint(
                Hint.joined(" or ", choices),
                " replaces what is there, ",
                Option("subaccount", 0),
                " adds a credential beside it.",
            ),
        )
    unnumbered = wanted.subaccount_index == 0 and None in numbers and 0 not in numbers
    return alike if unnumbered else wanted


def must_choose(state: AccountState, slot: Slot) -> list[str]:
    """What changes for those who load, if a slot gets a credential that can be used."""
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
    """Other secrets for a slot, as its next version; nothing if they are the same.

    The end of the old secrets is not that of the new ones: unless it is given, it is cleared.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        CredentialNotFound: the slot is empty.
        CredentialInactive: the credential is deactivated.
        InvalidInput: a detail is not acceptable.
    """
    account = state.active_account()
    slot, row = _active(state, wanted)
    details = checked(CredentialDetails, TABLE, given)
    changed = differences(TABLE.details_in(row), details)
    if sealer.fingerprints(slot.exchange_id, fields) == state.fingerprints[row["id"]]:
        return _update(state, row, changed)
    credential_id = uuid.UUID(row["id"])
    version = state.last_version(slot) + 1
    sealed = sealer.seal(credential_id, version, place_of(account["id"], slot), fields)
    if row["expires_at"] is not None and "expires_at" not in given:
        changed["expires_at"] = None
    return [CredentialReplaced(**_version(credential_id, slot, version, sealed), **changed)]


def update(state: AccountState, wanted: SlotQuery, given: Mapping[str, Any]) -> list[EventModel]:
    """Other details for a credential.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        CredentialNotFound: there is none.
        InvalidInput: a detail is not acceptable, or none is named.
    """
    state.active_account()
    _, row = state.find_credential(wanted)
    return _update(state, row, changes(CredentialDetails, TABLE, row, given))


def deactivate(state: AccountState, wanted: SlotQuery) -> list[EventModel]:
    """The credential may not be used from now on.

    Raises:
        AccountNotFound: the account was never created, or was deleted.
        CredentialNotFound: there is none.
        CredentialInactive: it is deactivated already.
    """
    _check_account_exists(state)
    _, row = _active(state, wanted)
    return [CredentialDeactivated(**identity(state, row))]


def reactivate(state: AccountState, wanted: SlotQuery) -> list[EventModel]:
    """The credential may be used again.

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


def removal(state: AccountState, row: CredentialRow) -> EventModel:
    """The event that empties the slot of this credential."""
    return CredentialRemoved(**identity(state, row))


def _check_account_exists(state: AccountState) -> None:
    _ = state.account  # raises if there is none


def _active(state: AccountState, wanted: SlotQuery) -> tuple[Slot, CredentialRow]:
    slot, row = state.find_credential(wanted)
    if not row["is_active"]:
        raise CredentialInactive(
            f"the credential of {state.name} for {slot} is inactive",
            hint=Hint(
                "Reactivate it first: ",
                Command("reactivate-credential", state.name, slot.exchange),
            ),
        )
    return slot, row


def _update(
    state: AccountState, row: CredentialRow, changed: Mapping[str, Any]
) -> list[EventModel]:
    return [CredentialUpdated(**identity(state, row), **changed)] if changed else []


def place_of(account_id: str, slot: Slot) -> Place:
    """What the tokens of a slot are bound to."""
    return Place(uuid.UUID(account_id), slot.exchange_id, slot.subaccount_index, slot.permission)


def _version(credential_id: uuid.UUID, slot: Slot, version: int, sealed: Sealed) -> dict[str, Any]:
    return {
        "credential_id": credential_id,
        "exchange": slot.exchange,
        "exchange_id": slot.exchange_id,
        "subaccount_index": slot.subaccount_index,
        "permission": slot.permission,
        "version": version,
        "data_key_id": sealed.data_key_id,
        "tokens": dict(sealed.tokens),
        "fingerprints": dict(sealed.fingerprints),
    }


def identity(state: AccountState, row: CredentialRow) -> dict[str, Any]:
    """What every event of this credential says of it."""
    slot = state.slot_of(row)
    return {
        "credential_id": uuid.UUID(row["id"]),
        "exchange": slot.exchange,
        "exchange_id": slot.exchange_id,
        "subaccount_index": slot.subaccount_index,
        "permission": slot.permission,
    }
