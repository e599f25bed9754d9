"""When a credential ends: a text becomes a moment, and the caller hears what may surprise."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from registry.clock import now
from registry.events.base import EventModel
from registry.events.credentials import CredentialReplaced, DescribedCredential
from registry.hints import Blank, Command, Hint
from registry.moments import moment
from registry.rules.account_state import AccountState, Slot


def with_moment(details: Mapping[str, Any]) -> Mapping[str, Any]:
    """The details, the expiry among them as a moment; rules have no clock to find it by.

    Raises:
        InvalidInput: the expiry is not a moment.
    """
    told = details.get("expires_at")
    if told is None:
        return details
    return {**details, "expires_at": moment(told, "the expiry", ahead=True)}


def notes(state: AccountState, slot: Slot, events: Iterable[EventModel]) -> Iterator[str]:
    """What to know of an expiry that these events of a slot set, or clear."""
    for event in events:
        if not isinstance(event, DescribedCredential) or "expires_at" not in event.model_fields_set:
            continue
        if event.expires_at is None:
            if isinstance(event, CredentialReplaced):
                yield _cleared(state, slot)
        elif event.expires_at <= now():
            yield f"the expiry of {state.name} for {slot}, {_shown(event.expires_at)}, is past"


def _cleared(state: AccountState, slot: Slot) -> str:
    row = state.credential_in(slot)
    old = _shown(dt.datetime.fromisoformat(str(row and row["expires_at"])))
    command = Command(
        "update-credential",
        *(state.name, slot.exchange),
        subaccount=slot.subaccount_index,
        permission=None if slot.permission == "full" else slot.permission,
        expires_at=Blank("TIME"),
    )
    return Hint(f"the expiry {old} was the old key's and is cleared; for the new one: ", command)


def _shown(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
