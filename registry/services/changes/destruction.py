"""Destroys secrets for ever by deleting the data keys that seal them.

The events and their tokens stay, so that the history still verifies.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from registry.clock import now
from registry.database.connection import Connection, Database, registry_errors
from registry.events.base import EventModel
from registry.events.credentials import CredentialSecretsDestroyed
from registry.events.stored import StoredEvent, Stream
from registry.execution.account_tasks import new_events
from registry.execution.executor import CommandExecutor, Decided, Invocation, Outcome, Write
from registry.execution.lookup import account_id, exchange_of, send_exchange
from registry.log.append import NewEvent
from registry.log.reading import events_of, send_stream
from registry.rules import credentials, destruction
from registry.rules.account_state import AccountState, SlotQuery
from registry.services.changes.slot_tasks import LentSlotTask, SlotName


def destroy_secrets(
    database: Database,
    account: str,
    slot: SlotName,
    versions: Sequence[int] | None,
    invocation: Invocation,
) -> Outcome:
    """Destroys the given versions of a slot, or all unused ones; also of a deleted account.

    Raises:
        AccountNotFound: no account ever had this name.
        CredentialNotFound, SecretsDestroyed, Refused: see `rules.destruction.destroy`.
    """
    with database.connection() as connection, registry_errors(connection):
        found = account_id(connection, account, also_former=True)
    return CommandExecutor(database).execute(_Destroy(found, slot, versions), invocation)


class _Destroy:
    def __init__(self, account: uuid.UUID, slot: SlotName, versions: Sequence[int] | None) -> None:
        self._account = account
        self._slot = slot
        self._versions = None if versions is None else list(versions)

    def send_reads(self, connection: Connection) -> None:
        self._stream = send_stream(connection, Stream("account", self._account))
        self._exchange = send_exchange(connection, self._slot.exchange)

    def content(self) -> Mapping[str, Any]:
        return {
            "verb": "destroy-secrets",
            "versions": self._versions,
            "account_id": str(self._account),
            "slot": self._slot.content(),
        }

    def decide(self) -> Decided:
        events = events_of(self._stream)
        new = new_events(self._account, AccountState.of(events), self._decide(events))
        return Decided(new, _deletions(new))

    def _decide(self, events: Sequence[StoredEvent]) -> list[EventModel]:
        exchange_id, _ = exchange_of(self._exchange, self._slot.exchange)
        return destruction.destroy(events, self._slot.query(exchange_id), self._versions, now())


class RemoveAndDestroy(LentSlotTask):
    """Empties a slot and destroys all versions of its credential; errors as `remove`."""

    def __init__(self, account: str, slot: SlotName, *, cascade: bool) -> None:
        """Takes the account's name."""
        content = {"verb": "remove-credential", "destroy": True}
        super().__init__(account, slot, content, self._remove, cascade=cascade, ends_shares=True)

    def decide(self) -> Decided:
        """See `Task`."""
        decision = super().decide()
        return replace(decision, statements=_deletions(decision.events))

    def _remove(self, state: AccountState, wanted: SlotQuery) -> list[EventModel]:
        _, row = state.find_credential(wanted)
        removed = credentials.remove(state, wanted)
        return [*removed, *destruction.destroy_credential(self._events, row["id"])]


def _deletions(events: Sequence[NewEvent]) -> list[Write]:
    """The statements that delete the data keys which the events name."""
    return [
        Write("SELECT public.destroy_data_keys(%(event_id)s)", {"event_id": new.id})
        for new in events
        if isinstance(new.event, CredentialSecretsDestroyed)
    ]
