"""What checking a stretch of the log finds."""

import struct
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self
from uuid import UUID

import orjson

from registry.log import row_form

MAX_FAILURES: Final = 100
"""How many failures of a stretch are told one by one."""

_DESTROYED: Final = b"CredentialSecretsDestroyed"
NOTED: Final = frozenset({b"CredentialAdded", b"CredentialReplaced", _DESTROYED})
"""The types of the events that name data keys."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that is not as it must be."""

    check: str
    message: str
    position: int | None = None
    """The event's place in the log, if it is about one."""

    def __str__(self) -> str:
        where = "" if self.position is None else f"position {self.position}: "
        return f"{self.check}: {where}{self.message}"


class LoggedVersion(NamedTuple):
    """A version of a credential that an event brought, and the data key that it names."""

    position: int
    data_key_id: str
    credential_id: str
    version: int

    @classmethod
    def of(cls, position: int, line: bytes) -> Self:
        """From what a report says.

        Raises:
            ValueError: the event's data held something else there.
        """
        data_key_id, credential_id, version = line.decode().split("\t")
        return cls(position, data_key_id, credential_id, int(version))


@dataclass(slots=True)
class ChunkReport:
    """What was found in a stretch, and what checking the next ones needs."""

    first: int
    end: int
    failures: list[Failure] = field(default_factory=list)
    more_failures: int = 0
    nodes: list[bytes | None] = field(default_factory=list)
    """The perfect subtrees that cover the stretch, largest first; None where rows lack."""
    upper_roots: list[bytes] = field(default_factory=list)
    """What the last row of a whole stretch stores about larger subtrees, smallest first."""
    first_versions: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    """Stream (its type and id as in the leaf) -> the first version here and its position."""
    last_versions: dict[bytes, int] = field(default_factory=dict)
    sealed: list[tuple[int, bytes]] = field(default_factory=list)
    """Position, and data key, credential and version as COPY would write them in a line."""
    destroyed: set[str] = field(default_factory=set)
    """Data keys that were destroyed on purpose."""

    def fail(self, check: str, message: str, position: int | None = None) -> None:
        """Adds a failure."""
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(Failure(check, message, position))
        else:
            self.more_failures += 1

    def note_version(self, stream: bytes, version: int, position: int) -> None:
        """The stream goes on with this version."""
        last = self.last_versions.get(stream)
        if last is None:
            self.first_versions[stream] = version, position
        elif version != last + 1:
            self.fail("stream versions", wrong_version(stream, version, last), position)
        self.last_versions[stream] = version

    def note_data_keys(self, position: int, row: bytes, type_start: int, type_end: int) -> None:
        """Notes the data keys that the event names, if it is of a type that does."""
        event_type = row[type_start:type_end]
        if event_type not in NOTED:
            return
        try:
            start, end = row_form.data_place(row, type_end)
            data = orjson.loads(row[start:end])
            if event_type == _DESTROYED:
                self.destroyed.update(data["data_key_ids"])
            else:
                names = data["data_key_id"], data["credential_id"], data["version"]
                self.sealed.append((position, "\t".join(map(str, names)).encode()))
        except (ValueError, KeyError, TypeError, struct.error):
            self.fail_data_key(position)

    def fail_data_key(self, position: int) -> None:
        """The event there should name a data key, and does not."""
        self.fail("data keys", "the event does not name its data key", position)


def malformed_row(expected: int) -> str:
    """The text of a failure: what came where this position was expected is no event."""
    return f"the row after position {expected - 1} is malformed"


def missing_positions(start: int, end: int) -> str:
    """The text of a failure: these positions, the last one excluded, hold no event."""
    what = f"position {start} is" if end == start + 1 else f"positions {start} to {end - 1} are"
    return f"{what} missing"


def wrong_root(last: int, size: int) -> str:
    """The text of a failure: a stored root is not that of the subtree that ends at `last`."""
    return f"the root over positions {last + 1 - size} to {last} does not follow from them"


def wrong_version(stream: bytes, version: int, last: int) -> str:
    """The text of a failure: a stream, by its type and id, jumps or goes back."""
    name = f"{stream[:-20].decode(errors='replace')} {UUID(bytes=stream[-16:])}"
    return f"version {version} of {name} comes after version {last}"
