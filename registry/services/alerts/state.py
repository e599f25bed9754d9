"""What was told, and what waits to be told, in a file that a crash leaves whole."""

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from registry.errors import Conflict, InvalidInput
from registry.machine import replace_file, text_of_file
from registry.services.alerts.messages import Message
from registry.services.feed.events import Place
from registry.shown import shown

_MAX_BYTES: Final = 64 * 1024 * 1024
_MOST: Final = 200
"""So many messages wait for a receiver, at most; of older ones only the number is kept."""


class State:
    """The state of one `alerts run`; several threads may use it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.changed = threading.Condition()
        self.place: Place | None = None
        """Behind the last event that was looked at."""
        self.open: dict[str, Message] = {}
        """Id of a problem that was told -> the message."""
        self._waiting: dict[str, list[Message]] = {}
        self._dropped: dict[str, int] = {}

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path) -> Iterator[Self]:
        """The state of a file, which no other process may use meanwhile.

        Raises:
            Conflict: another process uses it.
            InvalidInput: it cannot be read or written, or is something else.
        """
        with _locked(path):
            state = cls(path)
            if os.path.lexists(path):
                try:
                    state._read(json.loads(text_of_file(path, limit=_MAX_BYTES)))
                except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                    raise InvalidInput(
                        f"{shown(path)} is no state of alerts",
                        hint="Move it away to begin anew, with what is wrong now.",
                    ) from None
            yield state

    def add(
        self,
        messages: Iterable[tuple[Message, Sequence[str]]],
        *,
        place: Place | None = None,
        opened: Mapping[str, Message] | None = None,
        over: Iterable[str] = (),
    ) -> None:
        """Keeps messages for their receivers, and how far what they tell of was looked at.

        All of it is on disk when this returns.
        """
        with self.changed:
            for message, receivers in messages:
                for name in receivers:
                    waiting = self._waiting.setdefault(name, [])
                    waiting.append(message)
                    if len(waiting) > _MOST:
                        del waiting[0]
                        self._dropped[name] = self._dropped.get(name, 0) + 1
            self.place = place or self.place
            self.open.update(opened or {})
            for id_ in over:
                self.open.pop(id_, None)
            self._write()
            self.changed.notify_all()

    def waiting(self, receiver: str) -> tuple[list[Message], int]:
        """What a receiver has not taken yet, and how many older messages were dropped."""
        with self.changed:
            return list(self._waiting.get(receiver, ())), self._dropped.get(receiver, 0)

    def taken(self, receiver: str, messages: Sequence[Message], dropped: int) -> None:
        """The receiver has these."""
        done = {message.id for message in messages}
        with self.changed:
            left = [m for m in self._waiting.get(receiver, ()) if m.id not in done]
            self._waiting[receiver] = left
            self._dropped[receiver] = self._dropped.get(receiver, 0) - dropped
            self._write()

    def _read(self, found: Any) -> None:
        leaf = found["leaf_hash"]
        if found["position"] is not None and type(found["position"]) is not int:
            raise ValueError(found["position"])
        if found["position"] is not None:
            self.place = Place(found["position"], leaf and bytes.fromhex(leaf))
        self.open = {id_: Message.parse(told) for id_, told in found["open"].items()}
        self._waiting = {
            name: [Message.parse(told) for told in waiting]
            for name, waiting in found["waiting"].items()
        }
        self._dropped = {name: int(number) for name, number in found["dropped"].items()}

    def _write(self) -> None:
        place = self.place
        whole = {
            "position": None if place is None else place.position,
            "leaf_hash": place and place.leaf_hash and place.leaf_hash.hex(),
            "open": {id_: message.as_json() for id_, message in self.open.items()},
            "waiting": {
                name: [message.as_json() for message in waiting]
                for name, waiting in self._waiting.items()
                if waiting
            },
            "dropped": {name: number for name, number in self._dropped.items() if number},
        }
        replace_file(self._path, json.dumps(whole) + "\n", mode=0o600)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """The lock is a file of its own: the state is a new file each time that it is written."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InvalidInput(f"cannot write {shown(lock)}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Conflict(
                f"another process uses the state of alerts in {shown(path)}",
                hint="One is enough. For a second one name another state in its settings.",
            ) from None
        yield
    finally:
        os.close(descriptor)
