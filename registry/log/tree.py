"""Reads roots and proofs from the log: a few rows for each, even of a long log."""

from collections.abc import Iterable
from dataclasses import dataclass

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.errors import LogRewritten
from registry.hints import Command, Hint
from registry.log.merkle import (
    Node,
    Range,
    consistency_ranges,
    inclusion_ranges,
    perfect_subtrees,
    root_of,
    root_over,
)

_QUERIES = load_queries("registry.log", "tree.sql")


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the log, according to the row in `audit_head` and not to the events."""

    size: int
    peaks: list[bytes]

    @property
    def root(self) -> bytes:
        """The root over all events."""
        return root_of(self.peaks)


def read_head(connection: Connection) -> Head:
    """The head's row.

    Raises:
        LogRewritten: the row is missing.
    """
    row = connection.execute(_QUERIES["head"]).fetchone()
    if row is None:
        raise LogRewritten("the log has no head: its row in audit_head was deleted")
    return Head(*row)


def restore_head(connection: Connection) -> None:
    """Writes the head's row anew, as it follows from the events that are there.

    Raises:
        LogRewritten: an event is missing between others, or lacks its part of the tree.
    """
    row = connection.execute(_QUERIES["newest"]).fetchone()
    size, moment = (0, None) if row is None else (row[0] + 1, row[1])
    peaks = read_former_head(connection, size).peaks
    parameters = {"size": size, "peaks": peaks, "appended_at": moment}
    connection.execute(_QUERIES["set_head"], parameters)


def read_former_head(connection: Connection, size: int) -> Head:
    """The head after the first `size` events, from the roots that are stored with them.

    Raises:
        LogRewritten: events that it needs are missing.
    """
    nodes = perfect_subtrees((0, size))
    ranges = [(node.last + 1 - (1 << node.level), node.last + 1) for node in nodes]
    return Head(size, _roots(connection, ranges))


def read_root(connection: Connection, size: int) -> bytes:
    """The root over the first `size` events, from the roots that are stored with them.

    Raises:
        LogRewritten: events that it needs are missing.
    """
    return _roots(connection, [(0, size)])[0]


def read_inclusion(connection: Connection, indexes: Iterable[int], size: int) -> list[list[bytes]]:
    """The audit path of each of these events, in the tree of the first `size` events.

    Raises:
        LogRewritten: events that it needs are missing.
    """
    paths = [inclusion_ranges(index, size) for index in indexes]
    roots = iter(_roots(connection, [span for path in paths for span in path]))
    return [[next(roots) for _ in path] for path in paths]


def read_consistency(connection: Connection, old: int, new: int) -> list[bytes]:
    """The proof that the first `new` events start with the first `old` ones.

    Raises:
        LogRewritten: events that it needs are missing.
    """
    return _roots(connection, consistency_ranges(old, new))


def _roots(connection: Connection, ranges: list[Range]) -> list[bytes]:
    wanted = {node for span in ranges for node in perfect_subtrees(span)}
    positions = sorted({node.last for node in wanted})
    rows = connection.execute(_QUERIES["nodes"], {"positions": positions}).fetchall()
    found = {position: [leaf, *roots] for position, leaf, roots in rows}
    hashes = {
        Node(level, last): found[last][level]
        for level, last in wanted
        if last in found and level < len(found[last])
    }
    missing = min((node.last for node in wanted if node not in hashes), default=None)
    if missing is not None:
        raise LogRewritten(
            f"the event at position {missing} is missing, or lacks its part of the tree",
            hint=Hint("Run: ", Command("verify")),
        )
    return [root_over(span, hashes) for span in ranges]
