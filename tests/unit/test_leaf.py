"""The bytes of a leaf: hashing and parsing."""

import datetime as dt
import struct
import uuid
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.log.leaf import COLUMNS, Leaf, decode, encode, encode_recorded, sized

EVENT: Final = Leaf(
    position=7,
    event_id=uuid.UUID(int=1),
    stream_type="account",
    stream_id=uuid.UUID(int=2),
    stream_version=3,
    event_type="AccountUpdated",
    schema_version=1,
    data='{"a":"\u00fc"}',
    actor="tester@host",
    reason=None,
    command_id=uuid.UUID(int=4),
    command_index=5,
    command_digest=bytes(range(32)),
    related_account_id=None,
    occurred_at=dt.datetime(2000, 1, 1, 0, 0, 1, tzinfo=dt.UTC),
    recorded_at=dt.datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
    recorded_by="r\u00f6le",
)
BYTES: Final = bytes.fromhex(
    "00000008 0000000000000007"
    "00000010 00000000000000000000000000000001"
    "00000007 6163636f756e74"
    "00000010 00000000000000000000000000000002"
    "00000004 00000003"
    "0000000e 4163636f756e7455706461746564"
    "00000004 00000001"
    "0000000a 7b2261223a22c3bc227d"
    "0000000b 74657374657240686f7374"
    "ffffffff"
    "00000010 00000000000000000000000000000004"
    "00000004 00000005"
    "00000020 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    "ffffffff"
    "00000008 00000000000f4240"
    "00000008 ffffffffffffffff"
    "00000005 72c3b66c65"
)
"""Written out by hand from PostgreSQL's description of its binary COPY."""


def test_a_leaf_is_its_columns_each_with_its_length() -> None:
    assert encode(EVENT) == BYTES
    assert decode(BYTES) == EVENT
    assert len(COLUMNS) == len(EVENT)


def test_a_leaf_is_what_the_client_gives_and_then_what_the_database_adds() -> None:
    recorded = encode_recorded(EVENT.recorded_at, EVENT.recorded_by)
    assert encode(EVENT[:15]) + recorded == BYTES


def test_what_may_be_there_is_told_apart_from_what_is_not() -> None:
    full = EVENT._replace(reason="", related_account_id=uuid.UUID(int=9))
    assert decode(encode(full)) == full
    assert encode(full) != BYTES


moments = st.datetimes(timezones=st.just(dt.UTC))
texts = st.text(max_size=20)


@given(
    st.builds(
        EVENT._replace,
        position=st.integers(-(2**63), 2**63 - 1),
        stream_version=st.integers(-(2**31), 2**31 - 1),
        data=texts,
        actor=texts,
        reason=st.none() | texts,
        related_account_id=st.none() | st.uuids(),
        occurred_at=moments,
        recorded_at=moments,
    )
)
def test_every_event_is_read_again_as_it_was(event: Leaf) -> None:
    assert decode(encode(event)) == event


def changed(old: bytes, new: bytes) -> bytes:
    assert BYTES.count(old) == 1
    return BYTES.replace(old, new)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "has 17 fields, not 0"),
        (BYTES[: -len(sized("r\u00f6le".encode()))], "has 17 fields, not 16"),
        (BYTES + b"\xff\xff\xff\xff", "has 17 fields, not 18"),
        (BYTES + b"\0", "ends within a length"),
        (BYTES[:-1], "ends within a field"),
        (changed("r\u00f6le".encode(), b"r\xff\xffle"), "cannot be read"),
        (changed(b"\0\0\0\x04\0\0\0\x05", b"\0\0\0\x03\0\0\x05"), "cannot be read"),
        (changed(b"\0\0\0\0\0\x0f\x42\x40", b"\x7f" + bytes(7)), "cannot be read"),
        (changed(sized(uuid.UUID(int=4).bytes), sized(bytes(15))), "16-char"),
    ],
)
def test_bytes_that_are_no_leaf_are_refused(raw: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decode(raw)


def test_a_record_for_people_shows_no_token() -> None:
    data = '{"version":1,"tokens":{"api_key":"gAAAA"}}'
    record: dict[str, Any] = EVENT._replace(data=data).record()
    assert record["data"] == {"version": 1}
    assert record["command_digest"] == bytes(range(32)).hex()
    assert (record["position"], record["recorded_by"]) == (7, "r\u00f6le")
    assert EVENT.record()["data"] == {"a": "\u00fc"}


def test_a_length_stands_before_its_value() -> None:
    assert sized(b"abc") == struct.pack(">i", 3) + b"abc"
