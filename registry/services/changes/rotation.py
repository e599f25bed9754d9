"""Rewraps every key with the newest master key, batch by batch.

Each batch is a command with an event of its own, so an interrupted rotation continues at the
next batch. The keys themselves, all tokens and the log stay unchanged. Both master keys are
needed until the rotation is done.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from registry.database.connection import Connection, Database
from registry.database.queries import load_queries, one_row
from registry.encryption.keyring import MasterKeyring
from registry.events.keys import MasterKeyRotated
from registry.execution.executor import CommandExecutor, Decided, Invocation, Write
from registry.execution.vault import FINGERPRINT_KEY_ID, PURPOSE
from registry.log.append import NewEvent
from registry.log.ids import REGISTRY_STREAM
from registry.log.reading import send_versions, versions_of

_QUERIES = load_queries("registry.services.changes", "rotation.sql")
BATCH: Final = 500


Progress = Callable[[int, int], None]
"""Called with the number of keys done, and the number of all keys."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """The result of a rotation."""

    master_key_id: str
    keys: int
    positions: tuple[int, ...]
    remaining: int = 0
    """In a dry run, the number of keys that are not under the newest master key."""


def rotate(
    database: Database,
    keyring: MasterKeyring,
    invocation: Invocation,
    progress: Progress = lambda _done, _total: None,
    *,
    batch: int = BATCH,
) -> Rotation:
    """Rewraps every key of an older master key with the newest one.

    Raises:
        MasterKeyWrong: a key's master key is not in the keyring.
        CannotDecrypt: a wrapped key is damaged; the batches before it are done.
    """
    executor = CommandExecutor(database)
    done = 0
    positions: list[int] = []
    while True:
        task = _Batch(keyring, batch)
        outcome = executor.execute(task, replace(invocation, command_id=None))
        if invocation.dry_run or not outcome.changed:
            break
        positions += outcome.positions
        done += task.size
        progress(done, done + task.remaining)
        if not task.remaining:
            break
    left = task.size + task.remaining if invocation.dry_run else 0
    return Rotation(keyring.newest_id, done, tuple(positions), left)


class _Batch:
    """One batch of keys, with the event that records it."""

    def __init__(self, keyring: MasterKeyring, batch: int) -> None:
        self._keyring = keyring
        self._limit = batch
        self.size = self.remaining = 0

    def send_reads(self, connection: Connection) -> None:
        wanted = {"newest": self._keyring.newest_id, "limit": self._limit, "purpose": PURPOSE}
        self._versions = send_versions(connection, [REGISTRY_STREAM])
        self._data_keys = connection.execute(_QUERIES["data_keys_to_rotate"], wanted)
        self._registry_key = connection.execute(_QUERIES["registry_key_to_rotate"], wanted)
        self._left = connection.execute(_QUERIES["count_to_rotate"], wanted)

    def content(self) -> Mapping[str, Any]:
        return {"verb": "rotate-master-key", "master_key": self._keyring.newest_id}

    def decide(self) -> Decided:
        data_keys, registry_keys = self._data_keys.fetchall(), self._registry_key.fetchall()
        version = versions_of(self._versions)[REGISTRY_STREAM]
        (left,) = one_row(self._left)
        self.size = len(data_keys) + len(registry_keys)
        self.remaining = left - self.size
        if not self.size:
            return Decided([])
        event = NewEvent(
            REGISTRY_STREAM,
            version + 1,
            MasterKeyRotated(
                master_key_id=self._keyring.newest_id,
                previous_key_ids=sorted({row[-1] for row in [*data_keys, *registry_keys]}),
                keys=self.size,
                remaining=self.remaining,
            ),
        )
        return Decided([event], self._writes(event.id, data_keys, registry_keys))

    def _writes(
        self, event_id: uuid.UUID, data_keys: Sequence[Any], registry_keys: Sequence[Any]
    ) -> list[Write]:
        shared = {"event_id": event_id, "master_key_id": self._keyring.newest_id}
        columns = {
            "ids": [row[0] for row in data_keys],
            "before": [row[1] for row in data_keys],
            "after": [self._rewrap(*row) for row in data_keys],
        }
        writes = [Write(_QUERIES["rewrap_data_keys"], {**shared, **columns})]
        for row in registry_keys:
            after = self._rewrap(FINGERPRINT_KEY_ID, *row)
            key = {"purpose": PURPOSE, "before": row[0], "after": after}
            writes.append(Write(_QUERIES["rewrap_registry_key"], {**shared, **key}))
        return writes

    def _rewrap(self, key_id: uuid.UUID, wrapped: str, master_key_id: str) -> str:
        return self._keyring.wrap(key_id, self._keyring.unwrap(key_id, wrapped, master_key_id))
