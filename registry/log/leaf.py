"""The bytes of a leaf: an event's immutable fields, as the database sends and hashes them.

For each column the length of its value in bytes (big-endian, -1 for NULL) and the value
in PostgreSQL's binary form: a row of `COPY … (FORMAT binary)` without its column count.
`migrations/004_append_event.sql` makes the same bytes in SQL.
https://www.postgresql.org/docs/current/sql-copy.html
"""

import datetime as dt
import functools
import json
import struct
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

_EPOCH: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_LENGTH: Final = struct.Struct(">i")
_NULL: Final = _LENGTH.pack(-1)


Given = tuple[
    int, uuid.UUID, str, uuid.UUID, int, str, int, str, str, str | None, uuid.UUID, int, bytes,
    uuid.UUID | None, dt.datetime,
]  # fmt: skip
"""The fields of a leaf except the last two, in their order."""


class Leaf(NamedTuple):
    """The fields of an event as they stand in its leaf."""

    position: int
    event_id: uuid.UUID
    stream_type: str
    stream_id: uuid.UUID
    stream_version: int
    event_type: str
    schema_version: int
    data: str
    """The stored text itself."""
    actor: str
    reason: str | None
    command_id: uuid.UUID
    command_index: int
    command_digest: bytes
    related_account_id: uuid.UUID | None
    occurred_at: dt.datetime
    recorded_at: dt.datetime
    recorded_by: str

    def record(self) -> dict[str, Any]:
        """The fields for people, with the data decoded and without its tokens."""
        fields = self._asdict()
        data = json.loads(self.data)
        data.pop("tokens", None)
        return {**fields, "data": data, "command_digest": self.command_digest.hex()}


COLUMNS: Final = Leaf._fields
"""The columns of a leaf, in the order of hashing."""


def encode(fields: Leaf | Given) -> bytes:
    """The bytes of a leaf; from a `Given`, without the fields that the database adds."""
    return b"".join(
        [
            _NULL if value is None else form.write(value)
            for form, value in zip(_FORMS, fields, strict=False)
        ]
    )


def encode_recorded(recorded_at: dt.datetime, recorded_by: str) -> bytes:
    """The end of a leaf: the fields that the database adds to an event."""
    return _MOMENT.write(recorded_at) + _TEXT.write(recorded_by)


def sized(value: bytes) -> bytes:
    """A value in PostgreSQL's binary form, after its length."""
    return _LENGTH.pack(len(value)) + value


def decode(raw: bytes) -> Leaf:
    """The fields of a leaf's bytes.

    Raises:
        ValueError: the bytes are not a leaf.
    """
    values = list(_split(raw))
    if len(values) != len(COLUMNS):
        raise ValueError(f"a leaf has {len(COLUMNS)} fields, not {len(values)}")
    try:
        fields: list[Any] = [
            None if value is None else form.read(value)
            for form, value in zip(_FORMS, values, strict=True)
        ]
        return Leaf(*fields)
    except (struct.error, UnicodeDecodeError, OverflowError) as error:
        raise ValueError(f"a field of the leaf cannot be read: {error}") from None


def _split(raw: bytes) -> Iterator[bytes | None]:
    at = 0
    while at < len(raw):
        if at + 4 > len(raw):
            raise ValueError("the leaf ends within a length")
        (length,) = _LENGTH.unpack_from(raw, at)
        at += 4
        if length < 0:
            yield None
            continue
        if at + length > len(raw):
            raise ValueError("the leaf ends within a field")
        yield raw[at : at + length]
        at += length


def _integer(raw: bytes) -> int:
    return int(struct.unpack({4: ">i", 8: ">q"}.get(len(raw), ">q"), raw)[0])


class _Form(NamedTuple):
    """The writer of a value, which includes its length, and the reader."""

    write: Callable[[Any], bytes]
    read: Callable[[bytes], Any]


_INT4: Final = _Form(functools.partial(struct.Struct(">ii").pack, 4), _integer)
_INT8: Final = _Form(functools.partial(struct.Struct(">iq").pack, 8), _integer)
_TEXT: Final = _Form(lambda value: sized(value.encode()), bytes.decode)
_BYTES: Final = _Form(sized, bytes)
_UUID: Final = _Form(
    lambda value: b"\x00\x00\x00\x10" + value.bytes, lambda raw: uuid.UUID(bytes=raw)
)
_MOMENT: Final = _Form(
    lambda value: _INT8.write((value - _EPOCH) // _MICROSECOND),
    lambda raw: _EPOCH + dt.timedelta(microseconds=_integer(raw)),
)
_FORMS: Final = (
    *(_INT8, _UUID, _TEXT, _UUID, _INT4, _TEXT, _INT4, _TEXT, _TEXT, _TEXT),
    *(_UUID, _INT4, _BYTES, _UUID, _MOMENT, _MOMENT, _TEXT),
)
"""The forms of the columns."""
