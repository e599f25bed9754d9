"""Decisions about the destruction of secrets: existing versions, and those that may go."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.errors import CredentialNotFound, Refused, SecretsDestroyed
from registry.events.base import EventModel
from registry.events.credentials import CredentialSecretsDestroyed
from registry.events.stored import StoredEvent
from registry.hints import Blank, Command, Hint
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
    events: Sequence[StoredEvent], wanted: SlotQuery, versions: Sequence[int] | None
) -> list[EventModel]:
    """Destroys versions of a slot: the given `versions`, or all versions that are not in use.

    Raises:
        CredentialNotFound: the slot never held such a version.
        SecretsDestroyed: a named version was destroyed before.
        Refused: a named version is in use.
    """
    held = [version for version in sealed_versions(events) if wanted.matches(version.identity)]
    gone = destroyed_keys(events)
    used = {row["data_key_id"] for row in AccountState.of(events).credentials()}
    if not held:
        raise CredentialNotFound(f"the account never had a credential for {wanted}")
    if versions is None:
        chosen = [version for version in held if version.data_key_id not in gone | used]
    else:
        chosen = [version for version in held if version.number in versions]
        _check(chosen, wanted, versions, gone, used)
    return _events(chosen)


def _check(
    chosen: Sequence[DestructibleVersion],
    wanted: SlotQuery,
    versions: Sequence[int],
    gone: set[str],
    used: set[str],
) -> None:
    for number in versions:
        found = [version for version in chosen if version.number == number]
        if not found:
            raise CredentialNotFound(f"{wanted} never had a version {number}")
        if any(version.data_key_id in used for version in found):
            raise Refused(
                f"version {number} for {wanted} is in use",
                hint=Hint(
                    "Replace or remove the credential first, or do both at once: ",
                    Command("remove-credential", Blank("ACCOUNT"), wanted.exchange, destroy=True),
                ),
            )
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
