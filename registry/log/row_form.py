"""A row of the log as the database sends it in binary for a verification.

It holds the leaf hash, the subtree roots, a zero byte and then the leaf. A leaf is hashed after
such a byte (RFC 9162, section 2.1.1), so the hashed bytes are the end of the row.
https://www.postgresql.org/docs/current/sql-copy.html (binary format)
"""

import operator
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from registry.log.leaf import COLUMNS

SELECTED: Final = ("e.leaf_hash", "e.subtree_roots", "false", *(f"e.{name}" for name in COLUMNS))
"""What is selected from the log `e`, in this order."""

START: Final = struct.pack(">hi", len(SELECTED), 32)
"""The first bytes of a row: its column count, and the length of the leaf hash."""
ROOTS: Final = len(START) + 32
"""The offset of the subtree roots."""
ROOTS_LENGTH: Final = struct.Struct(">i")
ZERO: Final = struct.pack(">i?", 1, False)
"""The zero byte before the leaf, after its length."""

# The header of an array of bytea, by the number of roots; it starts with the array's length.
# https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/arrayfuncs.c (array_send)
ARRAY_START: Final = [
    struct.pack(">iiii", 12, 0, 0, 17),
    *(struct.pack(">iiiiii", 20 + 36 * n, 1, 0, 17, n, 1) for n in range(1, 64)),
]
ROOT_START: Final = struct.pack(">i", 32)
ROOT: Final = len(ROOT_START) + 32
"""The bytes of a root and its length."""

# The position, the event's id, and the length of the stream's type; then that type, the
# stream's id, the version, and the length of the event's type.
_PLACE: Final = struct.Struct(">4xq20xi")
_VERSION: Final = struct.Struct(">4xii")
_STREAM_ID: Final = 20
_LETTERS_OF_MOST: Final = len(b"account")
TYPE_START: Final = 15
"""So many bytes tell apart the types of events that name data keys, and all others."""
_TYPE_OF_MOST: Final = _PLACE.size + _LETTERS_OF_MOST + _STREAM_ID + _VERSION.size
_PLACE_OF_MOST: Final = struct.Struct(f">4xq20xi{_LETTERS_OF_MOST + _STREAM_ID}s4xii{TYPE_START}s")
"""All of it at once, for the streams "account" and "release", which have nearly all events."""
_DATA_LENGTH: Final = struct.Struct(">iii")
BEFORE_DATA: Final = _DATA_LENGTH.size
"""Bytes between the event's type and its data: the schema's version, and the data's length."""


FieldPlace = tuple[int, bytes, int, int, int]
"""An event's position, stream (its type and id, as in the leaf) and version, and the offsets of its
type in the row."""


class Columns(NamedTuple):
    """The same of several events."""

    positions: tuple[int, ...]
    streams: tuple[bytes, ...]
    versions: tuple[int, ...]
    type_starts: Sequence[int]
    """The offsets in the rows."""
    type_lengths: tuple[int, ...]
    types: Sequence[bytes]
    """The first bytes of each type, and of what follows a shorter one."""


def leaf_start(row: bytes) -> int:
    """The offset of the leaf.

    Raises:
        struct.error: the row is too short or otherwise malformed.
    """
    (length,) = ROOTS_LENGTH.unpack_from(row, ROOTS)
    end = ROOTS + ROOTS_LENGTH.size + int(length)
    if length < 0 or not row.startswith(START) or not row.startswith(ZERO, end):
        raise struct.error
    return end + len(ZERO)


def place(row: bytes, leaf: int) -> FieldPlace:
    """Reads the place of the event; `leaf` is the offset of its leaf.

    Raises:
        struct.error: the row is too short or otherwise malformed.
    """
    position, length = _PLACE.unpack_from(row, leaf)
    start = leaf + _PLACE.size
    end = start + length + _STREAM_ID
    version, type_length = _VERSION.unpack_from(row, end)
    type_start = end + _VERSION.size
    return position, row[start:end], version, type_start, type_start + type_length


def columns(rows: Sequence[bytes], leaves: Sequence[int]) -> Columns:
    """Reads the places of one or more events at once; `leaves` are the offsets of their leaves.

    Raises:
        struct.error: a row is too short or otherwise malformed.
    """
    read = map(_PLACE_OF_MOST.unpack_from, rows, leaves)
    positions, letters, streams, versions, lengths, types = zip(*read, strict=True)
    if letters.count(_LETTERS_OF_MOST) == len(rows):
        starts = [leaf + _TYPE_OF_MOST for leaf in leaves]
        return Columns(positions, streams, versions, starts, lengths, types)
    places = list(map(place, rows, leaves))
    positions, streams, versions, type_starts, ends = zip(*places, strict=True)
    return Columns(
        positions,
        streams,
        versions,
        type_starts,
        tuple(map(operator.sub, ends, type_starts)),
        [row[at : at + TYPE_START] for row, at in zip(rows, type_starts, strict=True)],
    )


def data_place(row: bytes, type_end: int) -> tuple[int, int]:
    """The start and the end of the event's data; `type_end` is the end of its type.

    Raises:
        struct.error: the row is too short or otherwise malformed.
    """
    _, _, length = _DATA_LENGTH.unpack_from(row, type_end)
    start = type_end + BEFORE_DATA
    return start, start + length


def roots_of(row: bytes, leaf: int) -> list[bytes] | None:
    """The subtree roots; None if the array is malformed or has a root of another size."""
    array = row[ROOTS : leaf - len(ZERO)]
    body = array[len(ARRAY_START[1]) :]
    roots = [body[at + len(ROOT_START) : at + ROOT] for at in range(0, len(body), ROOT)]
    if len(roots) >= len(ARRAY_START):
        return None
    again = ARRAY_START[len(roots)] + b"".join(ROOT_START + root for root in roots)
    return roots if again == array else None
