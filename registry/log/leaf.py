"""The bytes of a leaf: an event's immutable fields, as the database sends and hashes them.

For each column the length of its value in bytes (big-endian, -1 for NULL) and the value
in PostgreSQL's binary form: a row of `COPY … (FORMAT binary)` without its column count.
`migrations/004_append_event.sql` is the other half.
https://www.postgresql.org/docs/current/sql-copy.html
"""

import datetime as dt
import json
import struct
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

COLUMNS: Final = (
    "position",
    "event_id",
    "stream_type",
    "stream_id",
    "stream_version",
    "event_type",
    "schema_version",
    "data",
    "actor",
    "reason",
    "command_id",
    "command_index",
    "command_digest",
    "related_account_id",
    "occurred_at",
    "recorded_at",
    "recorded_by",
)
"""In the order in which they are hashed."""

_EPOCH: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_LENGTH: Final = struct.Struct(">i")
_NULL: Final = _LENGTH.pack(-1)

_length = _LENGTH.pack
_int4 = struct.Struct(">ii").pack
_int8 = struct.Struct(">iq").pack


Given = tuple[
    int, uuid.UUID, str, uuid.UUID, int, str, int, str, str, str | None, uuid.UUID, int, bytes,
    uuid.UUID | None, dt.datetime,
]  # fmt: skip
"""The fields of a leaf but for the last two, in their order."""


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


def encode(leaf: Leaf) -> bytes:
    """The bytes that are hashed."""
    return encode_given(leaf[:15]) + encode_recorded(leaf.recorded_at, leaf.recorded_by)


def encode_given(given: Given) -> bytes:
    """The bytes up to what the database adds; a bulk append does this for each event."""
    (
        position,
        event_id,
        stream_type,
        stream_id,
        stream_version,
        event_type,
        schema_version,
        data,
        actor,
        reason,
        command_id,
        command_index,
        command_digest,
        related_account_id,
        occurred_at,
    ) = given
    return b"".join(
        (
            _int8(8, position),
            _uuid_field(event_id),
            sized(stream_type.encode()),
            _uuid_field(stream_id),
            _int4(4, stream_version),
            sized(event_type.encode()),
            _int4(4, schema_version),
            sized(data.encode()),
            sized(actor.encode()),
            _NULL if reason is None else sized(reason.encode()),
            _uuid_field(command_id),
            _int4(4, command_index),
            sized(command_digest),
            _NULL if related_account_id is None else _uuid_field(related_account_id),
            _int8(8, _microseconds(occurred_at)),
        )
    )


def encode_recorded(recorded_at: dt.datetime, recorded_by: str) -> bytes:
    """The end of the bytes: what the database adds to an event."""
    return _int8(8, _microseconds(recorded_at)) + sized(recorded_by.encode())


def sized(value: bytes) -> bytes:
    """A value in PostgreSQL's binary form, with its length before it."""
    return _length(len(value)) + value


def decode(raw: bytes) -> Leaf:
    """The fields of a leaf's bytes.

    Raises:
        ValueError: they are not those of a leaf.
    """
    values = list(_split(raw))
    if len(values) != len(COLUMNS):
        raise ValueError(f"a leaf has {len(COLUMNS)} fields, not {len(values)}")
    try:
        fields: list[Any] = [
            None if value is None else read(value)
            for read, value in zip(_READERS, values, strict=True)
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


def _uuid_field(value: uuid.UUID) -> bytes:
    return b"\x00\x00\x00\x10" + value.bytes


def _microseconds(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _integer(raw: bytes) -> int:
    return int(struct.unpack({4: ">i", 8: ">q"}.get(len(raw), ">q"), raw)[0])


def _moment(raw: bytes) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=_integer(raw))


def _uuid(raw: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=raw)


_READERS: Final[tuple[Callable[[bytes], Any], ...]] = (
    _integer,
    _uuid,
    bytes.decode,
    _uuid,
    _integer,
    bytes.decode,
    _integer,
    bytes.decode,
    bytes.decode,
    bytes.decode,
    _uuid,
    _integer,
    bytes,
    _uuid,
    _moment,
    _moment,
    bytes.decode,
)
