"""A row of the log as the database sends it in binary for a verification.

It holds the leaf hash, the subtree roots and then the leaf, so that the hashed bytes are a
slice of the row. https://www.postgresql.org/docs/current/sql-copy.html (binary format)
"""

import struct
from typing import Final

from registry.log.leaf import COLUMNS

SELECTED: Final = ("leaf_hash", "subtree_roots", *COLUMNS)
"""The columns of a row, in this order."""

START: Final = struct.pack(">hi", len(SELECTED), 32)
"""The first bytes of a row: its column count, and the length of the leaf hash."""
ROOTS: Final = len(START) + 32
"""The offset of the subtree roots."""
ROOTS_LENGTH: Final = struct.Struct(">i")

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
_PLACE_OF_MOST: Final = struct.Struct(f">4xq20xi{_LETTERS_OF_MOST + _STREAM_ID}s4xii")
"""All of it at once, for the streams "account" and "release", which have nearly all events."""
_DATA_LENGTH: Final = struct.Struct(">iii")
BEFORE_DATA: Final = _DATA_LENGTH.size
"""Bytes between the event's type and its data: the schema's version, and the data's length."""


FieldPlace = tuple[int, bytes, int, int, int]
"""An event's position, stream (its type and id, as in the leaf) and version, and the offsets of its
type in the row. A plain tuple, since a verification makes one for each event."""


def leaf_start(row: bytes) -> int:
    """The offset of the leaf.

    Raises:
        struct.error: the row is too short or otherwise malformed.
    """
    (length,) = ROOTS_LENGTH.unpack_from(row, ROOTS)
    if length < 0 or not row.startswith(START):
        raise struct.error
    return ROOTS + ROOTS_LENGTH.size + int(length)


def place(row: bytes, leaf: int) -> FieldPlace:
    """Reads the place of the event; `leaf` is the offset of its leaf.

    Raises:
        struct.error: the row is too short or otherwise malformed.
    """
    position, length, stream, version, type_length = _PLACE_OF_MOST.unpack_from(row, leaf)
    if length == _LETTERS_OF_MOST:
        type_start = leaf + _PLACE_OF_MOST.size
        return position, stream, version, type_start, type_start + type_length
    start = leaf + _PLACE.size
    end = start + length + _STREAM_ID
    version, type_length = _VERSION.unpack_from(row, end)
    type_start = end + _VERSION.size
    return position, row[start:end], version, type_start, type_start + type_length


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
    array = row[ROOTS:leaf]
    body = array[len(ARRAY_START[1]) :]
    roots = [body[at + len(ROOT_START) : at + ROOT] for at in range(0, len(body), ROOT)]
    if len(roots) >= len(ARRAY_START):
        return None
    again = ARRAY_START[len(roots)] + b"".join(ROOT_START + root for root in roots)
    return roots if again == array else None
