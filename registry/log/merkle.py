"""The Merkle tree over the log: RFC 9162 section 2.1, the same tree as in RFC 6962.

Pure. A range is a half-open pair of leaf positions. A node is named by its level (0 is a
leaf) and its last leaf, as in the log: the row of leaf i holds the roots of the perfect
subtrees of 2, 4, 8 … leaves that end with leaf i.
https://www.rfc-editor.org/rfc/rfc9162#section-2.1
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Final, NamedTuple

Range = tuple[int, int]

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of a tree without leaves (section 2.1.1)."""


class Node(NamedTuple):
    """A perfect subtree of 2**level leaves."""

    level: int
    last: int
    """The position of its last leaf."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf (section 2.1.1)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def grow(peaks: list[bytes], size: int, leaf: bytes) -> list[bytes]:
    """Adds a leaf's hash to a tree of this size, in place (section 2.1.1).

    `peaks` are the roots of the perfect subtrees that cover the tree, largest first. Returns
    the roots of the subtrees that the leaf completes, smallest first, as the log stores them
    with the leaf.
    """
    node, completed = leaf, []
    while size & 1:
        node = node_hash(peaks.pop(), node)
        completed.append(node)
        size >>= 1
    peaks.append(node)
    return completed


def completed_subtrees(index: int) -> int:
    """The number of perfect subtrees, of 2, 4, 8 … leaves, that a leaf completes."""
    return (~index & (index + 1)).bit_length() - 1


def root_of(peaks: Sequence[bytes]) -> bytes:
    """The root over adjacent perfect subtrees, largest first (section 2.1.1)."""
    if not peaks:
        return EMPTY_ROOT
    return reduce(lambda right, left: node_hash(left, right), reversed(peaks))


def perfect_subtrees(leaves: Range) -> list[Node]:
    """The perfect subtrees that cover a range of the tree, largest first.

    The range must start at a multiple of the largest power of two that does not exceed its
    length.
    """
    start, end = leaves
    nodes = []
    for level in reversed(range((end - start).bit_length())):
        if (end - start) >> level & 1:
            start += 1 << level
            nodes.append(Node(level, start - 1))
            if start == end:
                break
    return nodes


def root_over(leaves: Range, hashes: Mapping[Node, bytes]) -> bytes:
    """The root over a range, from the hashes of the perfect subtrees that cover it."""
    return root_of([hashes[node] for node in perfect_subtrees(leaves)])


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges of a leaf's audit path, from the leaf up (section 2.1.3.1, PATH).

    Raises:
        ValueError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    start, end = 0, size
    ranges: list[Range] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The ranges of the proof between two sizes (section 2.1.4.1, PROOF and SUBPROOF).

    Raises:
        ValueError: the sizes are not 0 <= old <= new.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves did not grow out of one of {old}")
    if old in (0, new):
        return []
    start, end = 0, new
    ranges: list[Range] = []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:
        # The verifier knows the old root itself where the old tree is a subtree on the left.
        ranges.append((start, end))
    return ranges[::-1]


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an audit path leads to, None if it has the wrong length (section 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    first, last, root = index, size - 1, leaf
    for sibling in path:
        if not last:
            return None
        if first & 1 or first == last:
            root = node_hash(sibling, root)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        first, last = first >> 1, last >> 1
    return None if last else root


def is_consistent(
    old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether the proof shows that the new tree starts with the old one (section 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        return not path and old_root == expected
    # A power of two is a node of the new tree, so its root needs no place in the proof.
    nodes = iter([old_root, *path] if old & (old - 1) == 0 else path)
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    start = next(nodes, None)
    if start is None:
        return False
    return _climb(first, last, start, nodes) == (old_root, new_root)


def _climb(
    first: int, last: int, start: bytes, nodes: Iterator[bytes]
) -> tuple[bytes, bytes] | None:
    old = new = start
    for node in nodes:
        if not last:
            return None
        if first & 1 or first == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            new = node_hash(new, node)
        first, last = first >> 1, last >> 1
    return None if last else (old, new)


def _split(size: int) -> int:
    """The largest power of two smaller than the size (section 2.1.1, k)."""
    return 1 << (size - 1).bit_length() - 1
