"""Decisions about the destruction of secrets: existing versions, and those that may go."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.errors import CredentialNotFound, Refused, SecretsDestroyed
from registry.events.base import EventModel
from registry.events.credentials import CredentialSecretsDestroyed
from registry.events.stored import StoredEvent, utc_text
from registry.hints import Command, Hint
from registry.rules.account_state import AccountState, SlotQuery


@dataclass(frozen=True, slots=True)
class DestructibleVersion:
    """A version of a credential, from its event, with the id of its data key."""

    number: int
    data_key_id: str
    identity: dict[str, Any] = field(hash=False)
    """The fields of every credential event: the credential's id and its slot."""


def sealed_versions(events: Iterable[StoredEvent]) -> list[DestructibleVersion]:
    """Every version that an account ever held."""
    identity = ("credential_id", "exchange", "exchange_id", "subaccount_index", "permission")
    return [
        DestructibleVersion(
            event.data["version"],
            event.data["data_key_id"],
            {name: event.data[name] for name in identity},
        )
        for event in events
        if "data_key_id" in event.data and "tokens" in event.data
    ]


def destroyed_keys(events: Iterable[StoredEvent]) -> set[str]:
    """Ids of the destroyed data keys; the secrets that they sealed cannot come back."""
    return {
        key_id
        for event in events
        if event.event_type == "CredentialSecretsDestroyed"
        for key_id in event.data["data_key_ids"]
    }


def destroy(
    events: Sequence[StoredEvent],
    wanted: SlotQuery,
    versions: Sequence[int] | None,
    now: dt.datetime,
) -> list[EventModel]:
    """Destroys versions of a slot: the given `versions`, or all versions that are not in use.

    Raises:
        CredentialNotFound: the slot never held such a version.
        SecretsDestroyed: a named version was destroyed before.
        Refused: a named version is in use.
    """
    held = [version for version in sealed_versions(events) if wanted.matches(version.identity)]
    gone = destroyed_keys(events)
    used = _in_use(AccountState.of(events), now)
    if not held:
        raise CredentialNotFound(f"the account never had a credential for {wanted}")
    if versions is None:
        chosen = [version for version in held if version.data_key_id not in gone | used.keys()]
    else:
        chosen = [version for version in held if version.number in versions]
        _check(chosen, wanted, versions, gone, used)
    return _events(chosen)


def _in_use(state: AccountState, now: dt.datetime) -> dict[str, Hint]:
    """Data key id -> how to end its use: of versions that are current, pending or in grace."""
    ends: dict[str, Hint] = {}
    for row in state.credentials():
        place = (state.name, state.exchange_names[row["exchange_id"]])
        for version in state.versions_held(row["id"]):
            if version["is_pending"]:
                command = Command("rotate-credential", *place, abandon=True)
                ends[version["id"]] = Hint("It is pending. Give it up first: ", command)
            elif (version["usable_until"] or "") > utc_text(now):
                command = Command("rotate-credential", *place, retire=True)
                ends[version["id"]] = Hint("It is in grace. Retire it first: ", command)
        ends[row["data_key_id"]] = Hint(
            "Replace or remove the credential first, or do both at once: ",
            Command("remove-credential", *place, destroy=True),
        )
    return ends


def _check(
    chosen: Sequence[DestructibleVersion],
    wanted: SlotQuery,
    versions: Sequence[int],
    gone: set[str],
    used: Mapping[str, Hint],
) -> None:
    for number in versions:
        found = [version for version in chosen if version.number == number]
        if not found:
            raise CredentialNotFound(f"{wanted} never had a version {number}")
        for version in found:
            if version.data_key_id in used:
                hint = used[version.data_key_id]
                raise Refused(f"version {number} for {wanted} is in use", hint=hint)
        if any(version.data_key_id in gone for version in found):
            raise SecretsDestroyed(f"version {number} for {wanted} was destroyed before")


def destroy_credential(events: Sequence[StoredEvent], credential_id: str) -> list[EventModel]:
    """Destroys every version of one credential that is being removed."""
    gone = destroyed_keys(events)
    return _events(
        [
            version
            for version in sealed_versions(events)
            if version.identity["credential_id"] == credential_id
            and version.data_key_id not in gone
        ]
    )


def _events(chosen: Sequence[DestructibleVersion]) -> list[EventModel]:
    by_credential: dict[str, list[DestructibleVersion]] = {}
    for version in chosen:
        by_credential.setdefault(version.identity["credential_id"], []).append(version)
    return [
        CredentialSecretsDestroyed(
            **ones[0].identity,
            versions=sorted({version.number for version in ones}),
            data_key_ids=[
                uuid.UUID(key) for key in sorted({version.data_key_id for version in ones})
            ],
        )
        for ones in by_credential.values()
    ]
