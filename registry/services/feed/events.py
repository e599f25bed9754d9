"""What the feed gives: events, and places in the log."""

import dataclasses
import datetime as dt
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from registry.errors import Conflict, InvalidInput
from registry.machine import replace_file, text_of_file
from registry.shown import shown

_LARGEST: Final = 4096
_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the log: right behind an event."""

    position: int
    """The event's position; -1 is the place before the first event."""
    leaf_hash: bytes | None = None
    """The event's leaf in the Merkle tree, which tells this log from every other one."""

    def __post_init__(self) -> None:
        if self.position < -1:
            raise InvalidInput("a position in the log is a whole number from 0, or -1 before it")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what `text` wrote; ValueError, TypeError or KeyError if it is something else."""
        try:
            said = json.loads(text)
            position, leaf = int(said["position"]), said["leaf_hash"]
        except (OverflowError, RecursionError):
            raise ValueError(text) from None
        place = cls(position, None if leaf is None else bytes.fromhex(leaf))
        if len(place.leaf_hash or b"") != (_HASH_BYTES if position >= 0 else 0):
            raise ValueError(text)
        return place

    def text(self) -> str:
        """The place as JSON."""
        leaf = None if self.leaf_hash is None else self.leaf_hash.hex()
        return json.dumps({"position": self.position, "leaf_hash": leaf}) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A durable event of the log, without tokens."""

    position: int
    leaf_hash: bytes
    event_type: str
    """Such as `CredentialReplaced`."""
    account_name: str | None
    """The account's name now, of an event of an account or a release for one."""
    related_account_name: str | None
    """The name of another account that it concerns, such as the lender of a share."""
    data: dict[str, Any]
    """What the event says, as `history` shows it."""
    previous: dict[str, Any] | None
    """Of a change, what was said before."""
    actor: str
    """Who did it, as claimed."""
    reason: str | None
    recorded_by: str
    """The database login that appended it."""
    recorded_at: dt.datetime
    """The database's time."""
    occurred_at: dt.datetime
    """The program's time."""
    command_id: uuid.UUID
    stream_type: str
    stream_id: uuid.UUID
    stream_version: int
    related_account_id: uuid.UUID | None

    @property
    def place(self) -> Place:
        """The place behind it, for `feed(after=…)`."""
        return Place(self.position, self.leaf_hash)

    @property
    def exchange(self) -> str | None:
        """The exchange that it is about, if it is about one."""
        return self.data.get("exchange")

    def record(self) -> dict[str, Any]:
        """The event as `Registry.history` gives it."""
        return {name: getattr(self, name) for name in _RECORDED}


_RECORDED: Final = [f.name for f in dataclasses.fields(Event) if f.name != "leaf_hash"]


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A file that keeps a consumer's place."""

    path: Path

    def read(self) -> Place | None:
        """The place, or None if there is no file so far.

        Raises:
            InvalidInput: the file is no bookmark, or cannot be read.
        """
        if not os.path.lexists(self.path):
            return None
        if not self.path.is_file():  # a pipe would be waited for
            raise InvalidInput(f"{shown(self.path)} is no file that can keep a place in the log")
        try:
            return Place.parse(text_of_file(self.path, limit=_LARGEST))
        except (ValueError, TypeError, KeyError):
            raise InvalidInput(
                f"{shown(self.path)} is no place in the log",
                hint="Name a file that a feed has written, or one that is not there yet.",
            ) from None

    def write(self, place: Place, before: Place | None) -> None:
        """Writes the place, as a whole or not at all; it is on disk when this returns.

        `before` is the one that was read or written last.

        Raises:
            Conflict: another consumer keeps its place there, and would skip what this one read.
            InvalidInput: the file cannot be written.
        """
        found = self.read()
        if found is not None and found != before:
            raise Conflict(
                f"another consumer keeps its place in {shown(self.path)}: {found.position}",
                hint="Give each consumer a file of its own.",
            )
        replace_file(self.path, place.text(), mode=0o600)
