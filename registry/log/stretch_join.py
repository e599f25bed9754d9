"""Puts the stretches of a verification together."""

from registry.log.chunk import CHUNK, CHUNK_LEVEL
from registry.log.findings import ChunkReport, Failure, wrong_root, wrong_version
from registry.log.merkle import completed_subtrees, node_hash


class Joiner:
    """Puts the stretches together, in their order.

    It checks what none of them can alone: the roots above them, and streams that go on
    from one to the next.
    """

    def __init__(self) -> None:
        self.nodes: list[bytes | None] = []
        """The perfect subtrees over all stretches so far, largest first."""
        self.failures: list[Failure] = []
        self._versions: dict[bytes, int] = {}

    def add(self, report: ChunkReport) -> None:
        """The next stretch."""
        for stream, (version, position) in report.first_versions.items():
            last = self._versions.get(stream, 0)
            if version != last + 1:
                message = wrong_version(stream, version, last)
                self.failures.append(Failure("stream versions", message, position))
        self._versions.update(report.last_versions)
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
