"""Checks a block of rows at once: level by level of the tree, and not row by row.

This is the innermost loop of a verification. It only says whether the block is valid. If it
is not, `registry.log.chunk` finds the faults row by row.
"""

import itertools
import struct
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from registry.log import row_form
from registry.log.findings import NOTED_STARTS, ChunkReport
from registry.log.merkle import completed_subtrees

LEVEL: Final = 8
ROWS: Final = (1 << LEVEL) - 1
"""Rows of a whole block. The last row of a subtree of 2**LEVEL is left out: it also holds
roots of larger subtrees."""

_LEAF_STARTS: Final = tuple(
    row_form.ROOTS + len(row_form.ARRAY_START[count]) + count * row_form.ROOT + len(row_form.ZERO)
    for count in map(completed_subtrees, range(ROWS))
)
"""The offset of the leaf in a row, by the row's index in the block."""
_HASHED_STARTS: Final = tuple(start - 1 for start in _LEAF_STARTS)
"""The offset of the zero byte before it, which is hashed too."""


def check_block(report: ChunkReport, first: int, rows: Sequence[bytes]) -> bool:
    """Whether the rows are valid and exactly the events from `first` on.

    `first` is a multiple of 2**LEVEL, and there are at most `ROWS` rows. True extends the
    report; False leaves it unchanged.
    """
    if not rows:
        return True
    starts = _HASHED_STARTS[: len(rows)]
    leaves = [sha256(row[at:]).digest() for row, at in zip(rows, starts, strict=True)]
    heads, peaks = _heads_and_peaks(leaves)
    if not all(map(bytes.startswith, rows, heads)):
        return False
    try:
        columns = row_form.columns(rows, _LEAF_STARTS[: len(rows)])
    except struct.error:
        return False
    if columns.positions != tuple(range(first, first + len(rows))):
        return False
    _note(report, rows, columns)
    report.nodes += peaks
    return True


def _heads_and_peaks(leaves: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The expected bytes of each row before its leaf; and the subtrees, largest first."""
    tails = [row_form.ARRAY_START[0] + row_form.ZERO] * len(leaves)
    peaks: list[bytes] = []
    nodes, roots, level = leaves, [b""] * len(leaves), 0
    while nodes:
        if len(nodes) & 1:
            peaks.append(nodes[-1])
        nodes = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(nodes[::2], nodes[1::2], strict=False)
        ]
        roots = [
            lower + row_form.ROOT_START + node
            for lower, node in zip(roots[1::2], nodes, strict=True)
        ]
        level += 1
        # Of the rows that complete a subtree of this level, every second completes no larger one.
        step = 1 << level
        start, end = row_form.ARRAY_START[level], row_form.ZERO
        tails[step - 1 :: 2 * step] = [start + root + end for root in roots[::2]]
    start = row_form.START
    heads = [start + leaf + tail for leaf, tail in zip(leaves, tails, strict=True)]
    return heads, peaks[::-1]


def _note(report: ChunkReport, rows: Sequence[bytes], columns: row_form.Columns) -> None:
    first_versions, last_versions = report.first_versions, report.last_versions
    known = last_versions.get
    of_events = zip(columns.positions, columns.streams, columns.versions, strict=True)
    for position, stream, version in of_events:
        last = known(stream)
        if last is not None and version == last + 1:
            last_versions[stream] = version
        elif last is None:
            first_versions[stream] = version, position
            last_versions[stream] = version
        else:
            report.note_version(stream, version, position)
    for at in itertools.compress(range(len(rows)), map(NOTED_STARTS.__contains__, columns.types)):
        start = columns.type_starts[at]
        end = start + columns.type_lengths[at]
        report.note_data_keys(columns.positions[at], rows[at], start, end)
