"""States of one account, from events, without a database."""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Final

from registry.encryption.sealing import Place
from registry.encryption.secret import Secret
from registry.events.base import EventModel
from registry.events.stored import StoredEvent, Stream
from registry.log.append import NewEvent
from registry.rules.account_state import AccountState
from registry.rules.credentials import Sealed

ACCOUNT_ID: Final = uuid.UUID(int=0xA)
_FIRST_DAY: Final = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def history(
    *events: EventModel, account: uuid.UUID = ACCOUNT_ID, first: int = 1
) -> list[StoredEvent]:
    """The stream of an account with these events, one a day."""
    return [
        NewEvent(Stream("account", account), version, event).stored(
            _FIRST_DAY + dt.timedelta(days=version)
        )
        for version, event in enumerate(events, start=first)
    ]


def after(*events: EventModel, account: uuid.UUID = ACCOUNT_ID) -> AccountState:
    """The account after these events."""
    return AccountState.of(history(*events, account=account))


def grown(
    state: AccountState, *events: EventModel, account: uuid.UUID = ACCOUNT_ID
) -> AccountState:
    """The same state after some more events."""
    for event in history(*events, account=account, first=state.version + 1):
        state.apply(event)
    return state


class OpenSealer:
    """A sealer for decisions alone: its tokens show the sealed field and its place."""

    def __init__(self) -> None:
        self.sealed: list[tuple[uuid.UUID, int, Place]] = []

    def fingerprints(self, exchange_id: int, fields: Mapping[str, Secret]) -> dict[str, str]:
        """See `Sealer`."""
        return {name: f"{exchange_id}|{name}|{value.reveal()}" for name, value in fields.items()}

    def seal(
        self, credential_id: uuid.UUID, version: int, place: Place, fields: Mapping[str, Secret]
    ) -> Sealed:
        """See `Sealer`."""
        self.sealed.append((credential_id, version, place))
        tokens = {name: place.info(name).decode() for name in fields}
        key_id = uuid.UUID(int=len(self.sealed))
        return Sealed(key_id, tokens, self.fingerprints(place.exchange_id, fields))
