"""Rows of an honest log in memory, as the server sends them."""

import datetime as dt
import struct
import uuid
from collections.abc import Sequence
from typing import Self

from registry.log import chunk, findings, merkle
from registry.log.leaf import COLUMNS, Leaf, encode

MOMENT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
STREAMS = [uuid.UUID(int=number) for number in range(3)]


def leaf(position: int, versions: dict[uuid.UUID, int], stream: uuid.UUID) -> Leaf:
    versions[stream] = versions.get(stream, 0) + 1
    return Leaf(
        position,
        uuid.UUID(int=1000 + position),
        "account",
        stream,
        versions[stream],
        "AccountUpdated",
        1,
        '{"description":"x"}',
        "tester@host",
        None if position % 2 else "why",
        uuid.UUID(int=2000 + position),
        0,
        bytes(32),
        None,
        MOMENT,
        MOMENT,
        "registry",
    )


def row(raw: bytes, digest: bytes, roots: Sequence[bytes]) -> bytes:
    """A row as the server sends it; written apart from the code that reads it."""
    sized = b"".join(struct.pack(">i", len(root)) + root for root in roots)
    head = struct.pack(">iii", 1 if roots else 0, 0, 17)
    array = head + (struct.pack(">ii", len(roots), 1) + sized if roots else b"")
    parts = (digest, array, bytes(1))
    return (
        struct.pack(">h", len(parts) + len(COLUMNS))
        + b"".join(struct.pack(">i", len(part)) + part for part in parts)
        + raw
    )


class Log:
    """Rows of an honest log."""

    def __init__(self, size: int) -> None:
        versions: dict[uuid.UUID, int] = {}
        streams = (STREAMS[position * 7 % 3] for position in range(size))
        self._hold([leaf(position, versions, stream) for position, stream in enumerate(streams)])

    @classmethod
    def of(cls, leaves: Sequence[Leaf]) -> Self:
        """A log of these leaves, whose hashes and roots are right."""
        log = cls(0)
        log._hold(leaves)
        return log

    def _hold(self, leaves: Sequence[Leaf]) -> None:
        self.leaves = leaves
        self.peaks: list[bytes] = []
        self.roots = []
        self.rows = []
        for position, one in enumerate(leaves):
            raw = encode(one)
            digest = merkle.leaf_hash(raw)
            self.roots.append(merkle.grow(self.peaks, position, digest))
            self.rows.append(row(raw, digest, self.roots[-1]))

    def with_roots(self, position: int, roots: Sequence[bytes]) -> None:
        """Stores other roots in a row."""
        raw = encode(self.leaves[position])
        self.rows[position] = row(raw, merkle.leaf_hash(raw), roots)


def check(rows: list[bytes], first: int, end: int) -> findings.ChunkReport:
    """What is found in rows that come in groups, as they do from the server."""
    groups = [rows[at : at + chunk.GROUP] for at in range(0, len(rows), chunk.GROUP)]
    return chunk.check_rows(groups, first, end)
