"""New identifiers: UUIDs of version 7 (RFC 9562), which increase with time."""

import os
import time
import uuid

import pytest

from registry.log.ids import new_id


def id_at(nanoseconds: int, random: bytes, monkeypatch: pytest.MonkeyPatch) -> uuid.UUID:
    monkeypatch.setattr(time, "time_ns", lambda: nanoseconds)
    monkeypatch.setattr(os, "urandom", lambda size: random[:size])
    return new_id()


def test_it_is_the_published_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9562, appendix A.6: rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F."""
    random = (0xCC3 << 62 | 0x18C4DC0C0C07398F).to_bytes(10)
    made = id_at(1_645_557_742_000 * 1_000_000 + 999_999, random, monkeypatch)
    assert made == uuid.UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")


def test_all_random_bits_are_used_and_no_other_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    none, full = (id_at(0, byte * 10, monkeypatch) for byte in (b"\0", b"\xff"))
    assert none == uuid.UUID("00000000-0000-7000-8000-000000000000")
    assert full == uuid.UUID("00000000-0000-7fff-bfff-ffffffffffff")
    end = id_at((1 << 48) * 1_000_000, b"\0" * 10, monkeypatch)
    assert end == none


def test_later_ones_are_greater_and_no_two_are_the_same() -> None:
    first = new_id()
    time.sleep(0.002)
    made = {new_id() for _ in range(100)}
    assert len(made) == 100
    assert first < min(made)
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
