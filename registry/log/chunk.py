"""Checks chunks of the log: in blocks, and row by row where a block is not valid.

Where a hash is wrong, the stored hash is used further up. So the fault is reported once, and
not again at every node above it.
"""

import struct
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

from registry.log import block, row_form
from registry.log.findings import (
    ChunkReport,
    Failure,
    malformed_row,
    missing_positions,
    wrong_root,
    wrong_version,
)
from registry.log.merkle import completed_subtrees, node_hash

CHUNK_LEVEL: Final = 14
CHUNK: Final = 1 << CHUNK_LEVEL
"""Events in a chunk; a power of two, so that a whole chunk is a perfect subtree."""
GROUP: Final = block.ROWS + 1
"""Rows that are checked together: a block, and the row that is left out of it."""


def check_rows(
    groups: Iterable[Sequence[bytes]],
    first: int,
    end: int,
    start: int | None = None,
    known: Sequence[bytes] = (),
) -> ChunkReport:
    """Checks that the rows are the events from `start`, or else `first`, to `end`, excluding `end`.

    `first` is a multiple of `CHUNK`, and there are at most `CHUNK` events. `known` are the perfect
    subtrees from `first` to `start`, largest first. The rows come in groups of `GROUP`; only the
    last group may be shorter, and the one at `start`, which ends where a group would.
    """
    report = ChunkReport(first, end, nodes=list(known))
    careful = _RowByRow(report, first if start is None else start)
    for rows in groups:
        some = rows[: block.ROWS]
        whole = not careful.fault and careful.expected % GROUP == 0
        if whole and block.check_block(report, careful.expected, some):
            careful.expected += len(some)
            careful.check(rows[block.ROWS :])
        else:
            careful.check(rows)
    if careful.expected < end:
        careful.skip(end)
    return report


class _RowByRow:
    """Checks one row after the other, and reports its faults."""

    def __init__(self, report: ChunkReport, start: int) -> None:
        self.expected = start
        """The position of the next row."""
        self.fault = False
        """Whether a row was faulty; from then on no block is checked as a whole."""
        self._report = report

    def check(self, rows: Iterable[bytes]) -> None:
        """Checks the next rows."""
        report = self._report
        before = len(report.failures)
        for row in rows:
            try:
                self._check(row)
            except struct.error:
                report.fail("rows", malformed_row(self.expected), self.expected)
        self.fault = self.fault or len(report.failures) > before

    def skip(self, end: int) -> None:
        """Reports that the positions from the expected one to `end`, excluded, are missing."""
        report = self._report
        report.fail("positions", missing_positions(self.expected, end), self.expected)
        for position in range(self.expected, end):
            completed = completed_subtrees(position - report.first)
            del report.nodes[len(report.nodes) - completed :]
            report.nodes.append(None)
        self.expected = end

    def _check(self, row: bytes) -> None:
        report = self._report
        start = row_form.leaf_start(row)
        position, stream, version, type_start, type_end = row_form.place(row, start)
        if not self.expected <= position < report.end:
            report.fail("positions", f"position {position} stands twice", position)
            return
        if position > self.expected:
            self.skip(position)
        stored = row[len(row_form.START) : row_form.ROOTS]
        if sha256(row[start - 1 :]).digest() != stored:
            report.fail("leaf hashes", "the event is not what was recorded", position)
        report.nodes.append(self._completed(position, row_form.roots_of(row, start), stored))
        report.note_version(stream, version, position)
        report.note_data_keys(position, row, type_start, type_end)
        self.expected += 1

    def _completed(self, position: int, stored: list[bytes] | None, leaf: bytes) -> bytes | None:
        """Compares the stored roots, and reports the lowest root that its children contradict.

        Returns the node to continue with. Where rows are missing, a root cannot be computed,
        and the stored root is used.
        """
        report = self._report
        completed = completed_subtrees(position - report.first)
        # `Joiner`, which knows the chunks before this one, compares the roots above it.
        whole = position + 1 == report.first + CHUNK
        if stored is None or len(stored) < completed or (len(stored) > completed and not whole):
            report.fail("subtree roots", "the stored subtree roots are malformed", position)
            del report.nodes[len(report.nodes) - completed :]
            return None if completed else leaf
        report.upper_roots = stored[completed:]
        node = leaf
        followed = True
        for level, root in enumerate(stored[:completed], start=1):
            left = report.nodes.pop()
            if followed and left and node_hash(left, node) != root:
                report.fail("subtree roots", wrong_root(position, 1 << level), position)
                followed = False
            node = root
        return node


class Joiner:
    """Joins the chunks, in their order, to the perfect subtrees before them, if any.

    It checks across chunks: the roots above them, and streams that continue from one chunk
    to the next.
    """

    def __init__(self, known: Sequence[bytes] = ()) -> None:
        self.nodes: list[bytes | None] = list(known)
        """The perfect subtrees over all chunks so far, largest first."""
        self.failures: list[Failure] = []
        self.versions: dict[bytes, int] = {}
        """The version of each stream so far; none that is not here has any events."""

    def add(self, report: ChunkReport) -> None:
        """Adds the next chunk."""
        for stream, (version, position) in report.first_versions.items():
            last = self.versions.get(stream, 0)
            if version != last + 1:
                message = wrong_version(stream, version, last)
                self.failures.append(Failure("stream versions", message, position))
        self.versions.update(report.last_versions)
        if report.end - report.first == CHUNK:
            self._grow(report)
        else:
            self.nodes += report.nodes

    def _grow(self, report: ChunkReport) -> None:
        node = report.nodes[0]
        last = report.end - 1
        for level in range(completed_subtrees(report.first >> CHUNK_LEVEL)):
            left = self.nodes.pop()
            stored = report.upper_roots[level] if level < len(report.upper_roots) else None
            root = None if left is None or node is None else node_hash(left, node)
            if root is not None and root != stored:
                message = wrong_root(last, CHUNK << level + 1)
                self.failures.append(Failure("subtree roots", message, last))
            node = stored
        self.nodes.append(node)
