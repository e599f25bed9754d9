"""Checks a stretch of the log, row by row, as the database sends it in binary.

Each row is its leaf hash, its subtree roots and then its leaf, so that what is hashed is
a slice of what was read. Where a hash is wrong the stored one is used further up: the
fault is then reported where it is, and not again at every node above it.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

import orjson

from registry.log.leaf import COLUMNS
from registry.log.merkle import node_hash

CHUNK_LEVEL: Final = 15
CHUNK: Final = 1 << CHUNK_LEVEL
"""Events in a stretch; a power of two, so that a whole one is a perfect subtree."""

SELECTED: Final = ("leaf_hash", "subtree_roots", *COLUMNS)
"""The columns of a row, in this order."""

MAX_FAILURES: Final = 100
"""How many failures of a stretch are told one by one."""

_SEALED: Final = frozenset({b"CredentialAdded", b"CredentialReplaced"})
_DESTROYED: Final = b"CredentialSecretsDestroyed"
_NOTED: Final = _SEALED | {_DESTROYED}

# A row starts with its column count, the leaf hash with its length, and the length of
# the roots; the leaf with the position, the event's id, and the length of stream_type.
_HEAD: Final = struct.Struct(">6s32si")
_START: Final = struct.pack(">hi", len(SELECTED), 32)
_PLACE: Final = struct.Struct(">4xq20xi")
_ROOTS: Final = _HEAD.size - 4
_STREAM_TYPE: Final = 36
_VERSION_AND_TYPE: Final = struct.Struct(">4xii")
_DATA_LENGTH: Final = struct.Struct(">iii")

# What comes before the roots of an array of bytea, by their number, the length included.
# https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/arrayfuncs.c (array_send)
_ARRAY_START: Final = [
    struct.pack(">iiii", 12, 0, 0, 17),
    *(struct.pack(">iiiiii", 20 + 36 * n, 1, 0, 17, n, 1) for n in range(1, 64)),
]
_ARRAY_HEAD: Final = len(_ARRAY_START[1])
_ROOT_START: Final = struct.pack(">i", 32)
_ROOT: Final = 36
"""A root with its length before it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that is not as it must be."""

    check: str
    message: str
    position: int | None = None
    """The event's place in the log, if it is about one."""


class SealedVersion(NamedTuple):
    """A version of a credential that an event brought, and the data key that it names."""

    position: int
    data_key_id: str
    credential_id: str
    version: int


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
    sealed: list[SealedVersion] = field(default_factory=list)
    destroyed: set[str] = field(default_factory=set)
    """Data keys that were destroyed on purpose."""

    def fail(self, check: str, message: str, position: int | None = None) -> None:
        """Adds a failure."""
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(Failure(check, message, position))
        else:
            self.more_failures += 1


def check_rows(rows: Iterable[bytes], first: int, end: int) -> ChunkReport:  # noqa: C901, PLR0912, PLR0915
    """Checks the rows that should be the events from `first` up to before `end`.

    `first` is a multiple of `CHUNK`, and there are `CHUNK` events at most. This is the
    innermost loop of a verification: what is as it should be stays in it, the rest is
    looked at by the functions below.
    """
    report = ChunkReport(first, end)
    nodes, last_versions = report.nodes, report.last_versions
    expected, careful = first, False
    for row in rows:
        try:
            start, stored, length = _HEAD.unpack_from(row)
            if start != _START or length < 0:
                report.fail("rows", f"the row after position {expected - 1} is malformed", expected)
                continue
            at = _HEAD.size + length
            position, type_length = _PLACE.unpack_from(row, at)
            if position != expected:
                if not expected < position < end:
                    report.fail("positions", f"position {position} stands twice", position)
                    continue
                _missing(report, expected, position)
                expected, careful = position, True
            node = sha256(b"\x00" + row[at:]).digest()
            if node != stored:
                report.fail("leaf hashes", "the event is not what was recorded", position)
                node = stored

            # The perfect subtrees that this leaf completes, as far as the stretch goes.
            remaining, completed, root_end = position - first, 0, _ROOTS + _ARRAY_HEAD
            while remaining & 1 and not careful:
                completed += 1
                root_end += _ROOT
                node = sha256(b"\x01" + nodes[-completed] + node).digest()  # type: ignore[operator]
                if not row.startswith(_ROOT_START + node, root_end - _ROOT):
                    break
                remaining >>= 1
            if careful or remaining & 1 or not row.startswith(_ARRAY_START[completed], _ROOTS):
                nodes.append(_careful_roots(report, position, row[_ROOTS:at], stored))
                careful = careful or nodes[-1] is None
            else:
                del nodes[len(nodes) - completed :]
                nodes.append(node)

            stream_end = at + _STREAM_TYPE + type_length + 20
            stream = row[at + _STREAM_TYPE : stream_end]
            version, type_length = _VERSION_AND_TYPE.unpack_from(row, stream_end)
            last = last_versions.get(stream)
            if last is None:
                report.first_versions[stream] = version, position
            elif version != last + 1:
                report.fail("stream versions", wrong_version(stream, version, last), position)
            last_versions[stream] = version
            type_end = stream_end + _VERSION_AND_TYPE.size + type_length
            event_type = row[type_end - type_length : type_end]
            if event_type in _NOTED:
                _note_secrets(report, position, event_type, row, type_end)
            expected += 1
        except struct.error:
            report.fail("rows", f"the row after position {expected - 1} is malformed", expected)
    if expected < end:
        _missing(report, expected, end)
    return report


def _careful_roots(report: ChunkReport, position: int, array: bytes, leaf: bytes) -> bytes | None:
    """Compares root by root, reports the lowest that does not follow; gives the node to go on with.

    Where rows are missing a root cannot be computed, and the stored one is taken.
    """
    completed = _trailing_ones(position - report.first)
    stored = _roots_of(array)
    # Roots above the stretch are compared by whoever knows the stretches before it.
    whole = position + 1 == report.first + CHUNK
    if stored is None or len(stored) < completed or (len(stored) > completed and not whole):
        report.fail("subtree roots", "the stored subtree roots are malformed", position)
        del report.nodes[len(report.nodes) - completed :]
        return None if completed else leaf
    report.upper_roots = stored[completed:]
    node: bytes | None = leaf
    reported = False
    for level, root in enumerate(stored[:completed], start=1):
        left = report.nodes.pop()
        if left and node and node_hash(left, node) != root and not reported:
            report.fail("subtree roots", _wrong_root(position, 1 << level), position)
            reported = True
        node = root
    return node


def _trailing_ones(number: int) -> int:
    return (~number & (number + 1)).bit_length() - 1


def _wrong_root(last: int, size: int) -> str:
    return f"the root over positions {last + 1 - size} to {last} does not follow from them"


def _roots_of(array: bytes) -> list[bytes] | None:
    """The roots of an array as it was sent; None if it is not one of 32-byte roots."""
    body = array[_ARRAY_HEAD:]
    roots = [body[at + 4 : at + _ROOT] for at in range(0, len(body), _ROOT)]
    again = _ARRAY_START[len(roots)] + b"".join(_ROOT_START + root for root in roots)
    return roots if again == array else None


def _missing(report: ChunkReport, start: int, end: int) -> None:
    report.fail("positions", missing_positions(start, end), start)
    for position in range(start, end):
        completed = _trailing_ones(position - report.first)
        del report.nodes[len(report.nodes) - completed :]
        report.nodes.append(None)


def missing_positions(start: int, end: int) -> str:
    """The text of a failure: these positions, the last one excluded, hold no event."""
    what = f"position {start} is" if end == start + 1 else f"positions {start} to {end - 1} are"
    return f"{what} missing"


def wrong_version(stream: bytes, version: int, last: int) -> str:
    """The text of a failure: a stream, by its type and id, jumps or goes back."""
    name = f"{stream[:-20].decode(errors='replace')} {UUID(bytes=stream[-16:])}"
    return f"version {version} of {name} comes after version {last}"


def _note_secrets(
    report: ChunkReport, position: int, event_type: bytes, row: bytes, type_end: int
) -> None:
    _, _, length = _DATA_LENGTH.unpack_from(row, type_end)
    start = type_end + _DATA_LENGTH.size
    try:
        data = orjson.loads(row[start : start + length])
        if event_type == _DESTROYED:
            report.destroyed.update(data["data_key_ids"])
        else:
            key_id, credential_id = data["data_key_id"], data["credential_id"]
            report.sealed.append(SealedVersion(position, key_id, credential_id, data["version"]))
    except (ValueError, KeyError, TypeError):
        report.fail("data keys", "the event does not name its data key", position)


class Joiner:
    """Puts the stretches together, in their order.

    It checks what none of them can alone: the roots above them, and streams that go on
    from one to the next.
    """

    def __init__(self) -> None:
        self.nodes: list[bytes | None] = []
        """The perfect subtrees over all stretches so far, largest first."""
        self.failures: list[Failure] = []
        self._versions: dict[bytes, int] = {}

    def add(self, report: ChunkReport) -> None:
        """The next stretch."""
        for stream, (version, position) in report.first_versions.items():
            last = self._versions.get(stream, 0)
            if version != last + 1:
                message = wrong_version(stream, version, last)
                self.failures.append(Failure("stream versions", message, position))
        self._versions.update(report.last_versions)
        if report.end - report.first == CHUNK:
            self._grow(report)
        else:
            self.nodes += report.nodes

    def _grow(self, report: ChunkReport) -> None:
        node = report.nodes[0]
        last = report.end - 1
        for level in range(_trailing_ones(report.first >> CHUNK_LEVEL)):
            left = self.nodes.pop()
            stored = report.upper_roots[level] if level < len(report.upper_roots) else None
            root = None if left is None or node is None else node_hash(left, node)
            if root is not None and root != stored:
                message = _wrong_root(last, CHUNK << level + 1)
                self.failures.append(Failure("subtree roots", message, last))
            node = stored
        self.nodes.append(node)
