"""A Merkle tree directly from RFC 9162 section 2.1.1, independent of the SQL.

Only for checks: it recomputes everything from all leaves.
"""

import hashlib
from collections.abc import Sequence


def leaf_hash(entry: bytes) -> bytes:
    """MTH({d0}) = HASH(0x00 || d0)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The tree's root over leaf hashes: split at the largest power of two below their number."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def subtree_roots(leaves: Sequence[bytes]) -> list[bytes]:
    """The roots of the perfect subtrees of 2, 4, 8, … leaves that end with the last leaf."""
    roots = []
    width = 2
    while len(leaves) % width == 0 and width <= len(leaves):
        roots.append(root(leaves[-width:]))
        width *= 2
    return roots


def peaks(leaves: Sequence[bytes]) -> list[bytes]:
    """The roots of the perfect subtrees that cover all leaves, largest first."""
    found = []
    start = 0
    for bit in reversed(range(len(leaves).bit_length())):
        if len(leaves) >> bit & 1:
            found.append(root(leaves[start : start + (1 << bit)]))
            start += 1 << bit
    return found
