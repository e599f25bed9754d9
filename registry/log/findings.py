"""The findings of a check of one chunk of the log."""

import re
import struct
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self
from uuid import UUID

import orjson

from registry.log import row_form

MAX_FAILURES: Final = 100
"""Failures of a chunk that are listed; further failures are only counted."""

_DESTROYED: Final = b"CredentialSecretsDestroyed"
NOTED: Final = frozenset({b"CredentialAdded", b"CredentialReplaced", _DESTROYED})
"""The types of the events that name data keys."""
NOTED_STARTS: Final = frozenset(event_type[: row_form.TYPE_START] for event_type in NOTED)
# An event with a data key as this program mostly writes it, from its type to its tokens, and from
# their end to that of its data. Tokens are long: to parse them takes much of a verification. The
# database holds valid JSON only, so what stands between these names is a value, and no other name.
_USUAL_START: Final = re.compile(
    # The schema's version and the length of the data follow the type.
    rb"Credential(?:Add|Replac)ed\x00\x00\x00\x04.{4}.{4}"
    rb'\{"credential_id":"(.{36})","exchange":"[^"]*","exchange_id":[^"]*,'
    rb'"subaccount_index":[^"]*,"permission":"[^"]*","version":(\d+),'
    rb'"data_key_id":"(.{36})","tokens":\{',
    re.DOTALL,
)
_USUAL_END: Final = re.compile(
    rb'\},"fingerprints":\{[^}]*\}(?:,"label":"[^"\\]*")?(?:,"expires_at":"[^"\\]*")?\}\x00'
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed check."""

    check: str
    message: str
    position: int | None = None
    """The position of the event, if the failure is about one."""

    def __str__(self) -> str:
        where = "" if self.position is None else f"position {self.position}: "
        return f"{self.check}: {where}{self.message}"


class LoggedVersion(NamedTuple):
    """A version of a credential in an event, and the data key that the event names."""

    position: int
    data_key_id: str
    credential_id: str
    version: int

    @classmethod
    def of(cls, position: int, line: bytes) -> Self:
        """Parses a line of a report.

        Raises:
            ValueError: the event's data had another form.
        """
        data_key_id, credential_id, version = line.decode().split("\t")
        return cls(position, data_key_id, credential_id, int(version))


@dataclass(slots=True)
class ChunkReport:
    """The findings of a chunk, and the data that the check of the next chunks needs."""

    first: int
    end: int
    failures: list[Failure] = field(default_factory=list)
    more_failures: int = 0
    nodes: list[bytes | None] = field(default_factory=list)
    """The perfect subtrees that cover the chunk, largest first; None where rows are missing."""
    upper_roots: list[bytes] = field(default_factory=list)
    """Roots of larger subtrees in the last row of a whole chunk, smallest first."""
    first_versions: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    """Stream (its type and id as in the leaf) -> the first version here and its position."""
    last_versions: dict[bytes, int] = field(default_factory=dict)
    sealed: list[tuple[int, bytes]] = field(default_factory=list)
    """Position, and data key, credential and version as a line of COPY."""
    destroyed: set[str] = field(default_factory=set)
    """Data keys that were destroyed on purpose."""

    def fail(self, check: str, message: str, position: int | None = None) -> None:
        """Adds a failure."""
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(Failure(check, message, position))
        else:
            self.more_failures += 1

    def note_version(self, stream: bytes, version: int, position: int) -> None:
        """Notes the next version of a stream; a gap or a step back is a failure."""
        last = self.last_versions.get(stream)
        if last is None:
            self.first_versions[stream] = version, position
        elif version != last + 1:
            self.fail("stream versions", wrong_version(stream, version, last), position)
        self.last_versions[stream] = version

    def note_data_keys(self, position: int, row: bytes, type_start: int, type_end: int) -> None:
        """Notes the data keys of an event whose type is in `NOTED`."""
        usual = _USUAL_START.match(row, type_start)
        if usual and _USUAL_END.match(row, row.find(b"}", usual.end())):
            self.sealed.append((position, b"%b\t%b\t%b\n" % usual.group(3, 1, 2)))
            return
        event_type = row[type_start:type_end]
        if event_type not in NOTED:
            return
        try:
            start, end = row_form.data_place(row, type_end)
            data = orjson.loads(row[start:end])
            if event_type == _DESTROYED:
                self.destroyed.update(data["data_key_ids"])
            else:
                line = f"{data['data_key_id']}\t{data['credential_id']}\t{data['version']}\n"
                self.sealed.append((position, line.encode()))
        except (ValueError, KeyError, TypeError, struct.error):
            self.fail_data_key(position)

    def fail_data_key(self, position: int) -> None:
        """Adds the failure of an event that does not name its data key."""
        self.fail("data keys", "the event does not name its data key", position)


def malformed_row(expected: int) -> str:
    """The text of a failure: the row in place of this position is malformed."""
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
