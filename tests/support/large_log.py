"""Fills a log with many events, hashes included, as fast as PostgreSQL accepts rows.

One lock, hashes and Merkle tree in Python, then one binary COPY. A leaf is the binary form of a
row's first 17 columns (see migrations/004_append_event.sql), so each value is encoded once for
both. Only the owner of the log can do this; the program never does.

Only the log is filled, for callers that rebuild the tables from it. scripts/benchmarks/biglog.py
uses this module, and also fills the tables and the data keys.
"""

import datetime as dt
import hashlib
import random
import struct
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson
import psycopg

# https://www.postgresql.org/docs/current/sql-copy.html (binary format)
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END: Final = b"\xff\xff"
_BYTEA: Final = 17
_POSTGRES_EPOCH: Final = 946_684_800_000_000  # microseconds from 1970 to 2000
_START: Final = 1_767_225_600_000_000  # 2026-01-01, in microseconds
_NULL: Final = b"\xff\xff\xff\xff"
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Made:
    """An event to load."""

    stream_id: bytes
    stream_version: int
    event_type: str
    data: bytes
    stream_type: bytes = b"account"
    actor: bytes = b"loader@host"
    related: bytes | None = None
    late: int = 0
    """The microseconds from the event to its recording."""


def many_accounts(accounts: int, *, seed: int = 1) -> Iterator[Made]:
    """Eight events per account, with the accounts of each thousand interleaved."""
    chance = random.Random(seed)  # noqa: S311 - the same log every time
    for first in range(0, accounts, 1000):
        streams = [_stream(number, chance) for number in range(first, min(first + 1000, accounts))]
        for events in zip(*streams, strict=True):
            yield from events


def recorded_at(position: int) -> dt.datetime:
    """The time at which the event at this position of a loaded log occurred and was recorded."""
    return dt.datetime.fromtimestamp(_START / 1_000_000, dt.UTC) + dt.timedelta(
        milliseconds=position
    )


def load_events(connection: psycopg.Connection[Any], events: Iterable[Made]) -> int:
    """Appends the events in one transaction; returns the size of the log afterwards."""
    with connection.transaction():
        size, peaks = connection.execute(
            "SELECT h.size, h.peaks FROM public.audit_head AS h FOR UPDATE"
        ).fetchone() or (0, [])
        user = connection.execute("SELECT session_user").fetchone()
        loader = _Loader(size, peaks, (user or ("",))[0].encode())
        with connection.cursor().copy(
            "COPY public.audit_events FROM STDIN (FORMAT binary)"
        ) as copy:
            block = bytearray(_HEADER)
            for event in events:
                block += loader.row(event)
                if len(block) > _BLOCK:
                    copy.write(block)
                    block = bytearray()
            copy.write(bytes(block) + _END)
        connection.execute(
            "UPDATE public.audit_head AS h SET size = %s, peaks = %s, "
            "appended_by = pg_current_xact_id(), appended_at = clock_timestamp()",
            [loader.size, loader.peaks],
        )
    return loader.size


class _Loader:
    def __init__(self, size: int, peaks: list[bytes], user: bytes) -> None:
        self.size = size
        self.peaks = peaks
        self._user = _sized(user)
        self._digest = _sized(bytes(32))

    def row(self, event: Made) -> bytes:
        recorded = _START + self.size * 1000 - _POSTGRES_EPOCH
        leaf = b"".join(
            (
                struct.pack(">iq", 8, self.size),
                _sized(_ordered_id(self.size, 1)),
                _sized(event.stream_type),
                _sized(event.stream_id),
                struct.pack(">ii", 4, event.stream_version),
                _sized(event.event_type.encode()),
                struct.pack(">ii", 4, 1),
                _sized(event.data),
                _sized(event.actor),
                _NULL,
                _sized(_ordered_id(self.size, 2)),
                struct.pack(">ii", 4, 0),
                self._digest,
                _NULL if event.related is None else _sized(event.related),
                struct.pack(">iq", 8, recorded - event.late),
                struct.pack(">iq", 8, recorded),
                self._user,
            )
        )
        node = hashlib.sha256(b"\0" + leaf).digest()
        row = b"\0\x13" + leaf + _sized(node) + _sized(_array(self._roots(node)))
        self.size += 1
        return row

    def _roots(self, node: bytes) -> list[bytes]:
        # RFC 9162 section 2.1.1: each trailing one bit of the size is a subtree that ends here.
        roots = []
        remaining = self.size
        while remaining & 1:
            node = hashlib.sha256(b"\1" + self.peaks.pop() + node).digest()
            roots.append(node)
            remaining >>= 1
        self.peaks.append(node)
        return roots


def _sized(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def _array(items: list[bytes]) -> bytes:
    if not items:
        return struct.pack(">iii", 0, 0, _BYTEA)
    head = struct.pack(">iiiii", 1, 0, _BYTEA, len(items), 1)
    return head + b"".join(_sized(item) for item in items)


def _ordered_id(number: int, kind: int) -> bytes:
    # Increases with the position, like the version 7 ids of the program.
    return struct.pack(">QQ", _START // 1000 << 16 | 0x7000 | kind, 1 << 63 | number)


def _stream(number: int, chance: random.Random) -> list[Made]:
    stream_id = chance.randbytes(16)
    credential = str(uuid.UUID(bytes=chance.randbytes(16)))
    slot = {
        "credential_id": credential,
        "exchange": "aster",
        "exchange_id": 2,
        "subaccount_index": None,
        "permission": "full",
    }
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("AccountCreated", {"account_name": f"bot_{number}", "metadata": {"max_positions": 10}}),
        ("CredentialAdded", {**slot, **_secrets(1, chance)}),
        ("AccountUpdated", {"description": f"the bot number {number}"}),
        ("CredentialUpdated", {**slot, "label": "main key"}),
        ("CredentialReplaced", {**slot, **_secrets(2, chance)}),
        ("AccountDeactivated", {}),
        ("AccountReactivated", {}),
        (
            "AccountUpdated",
            {"metadata": {"max_positions": number % 50, "max_exposure_usd": 100000}},
        ),
    ]
    return [
        Made(stream_id, version, event_type, orjson.dumps(data))
        for version, (event_type, data) in enumerate(bodies, start=1)
    ]


def _secrets(version: int, chance: random.Random) -> dict[str, Any]:
    return {
        "version": version,
        "data_key_id": str(uuid.UUID(bytes=chance.randbytes(16))),
        "tokens": {field: _token(chance) for field in ("api_key", "secret_key")},
        "fingerprints": {field: chance.randbytes(16).hex() for field in ("api_key", "secret_key")},
    }


def _token(chance: random.Random) -> str:
    # With the length of the Fernet token of a 64-character key.
    return urlsafe_b64encode(b"\x80" + chance.randbytes(136)).decode()
