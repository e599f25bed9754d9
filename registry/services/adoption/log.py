"""Appends the events of an adoption in bulk, a few thousand at a time.

Each account is a separate command in the log, so that its history looks like any other.
"""

import uuid
from collections.abc import Sequence

from registry.clock import now
from registry.database.connection import Connection
from registry.events.stored import StoredEvent
from registry.execution.executor import Invocation, command_record
from registry.log.append import CommandRecord, NewEvent
from registry.log.bulk import Append, append_in_bulk


class AdoptionLog:
    """Queues and appends the events of an adoption, in the caller's transaction."""

    def __init__(self, connection: Connection, invocation: Invocation) -> None:
        self._connection = connection
        self._invocation = invocation
        self._time = now()
        self._waiting: list[Append] = []

    def add(self, events: Sequence[NewEvent]) -> list[StoredEvent]:
        """Queues the events of one account; returns them as the log will hold them."""
        record = self._record(str(events[0].stream))
        self._waiting += [Append(record, index, event) for index, event in enumerate(events)]
        return [event.stored(self._time) for event in events]

    def flush(self) -> int:
        """Appends the queued events; returns the size of the log afterwards.

        Raises:
            RegistryError: see `append_in_bulk`.
        """
        positions = append_in_bulk(self._connection, self._waiting)
        self._waiting.clear()
        return positions.stop

    def summary(self, event: NewEvent) -> int:
        """Appends the summary of the adoption; returns its position."""
        record = self._record("all", self._invocation.command_id)
        self._waiting.append(Append(record, 0, event))
        return self.flush() - 1

    def _record(self, what: str, command_id: uuid.UUID | None = None) -> CommandRecord:
        content = {"verb": "adopt", "what": what}
        return command_record(self._invocation, content, command_id, self._time)
