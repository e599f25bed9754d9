"""A second verifier of proofs, written from the specifications without any code of ours.

RFC 9162 section 2.1 in its recursive form; C2SP signed-note and tlog-checkpoint.
"""

import base64
import hashlib
import struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def tree_hash(leaves: list[bytes]) -> bytes:
    """MTH as defined in section 2.1.1."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = _largest_power_below(len(leaves))
    return hashlib.sha256(b"\1" + tree_hash(leaves[:k]) + tree_hash(leaves[k:])).digest()


def path_of(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH as defined in section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = _largest_power_below(len(leaves))
    if index < k:
        return [*path_of(index, leaves[:k]), tree_hash(leaves[k:])]
    return [*path_of(index - k, leaves[k:]), tree_hash(leaves[:k])]


def consistency_proof(old: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF as defined in section 2.1.4.1."""
    if old == len(leaves):
        return [] if whole else [tree_hash(leaves)]
    k = _largest_power_below(len(leaves))
    if old <= k:
        return [*consistency_proof(old, leaves[:k], whole=whole), tree_hash(leaves[k:])]
    return [*consistency_proof(old - k, leaves[k:], whole=False), tree_hash(leaves[:k])]


def _largest_power_below(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def verify(document: dict[str, Any], public_key: str) -> list[tuple[int, str]]:
    """Position and type of each event of a proof; AssertionError if the proof is not valid."""
    name, key_id, key = public_key.strip().split("+", 2)
    raw = base64.b64decode(key)
    assert raw[0] == 1
    assert hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8] == key_id
    text, signature = document["checkpoint"].split("\n\n")
    dash, signer, encoded = signature.rstrip("\n").split(" ")
    assert (dash, signer) == ("\u2014", name)
    signed = base64.b64decode(encoded)
    assert signed[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signed[4:], (text + "\n").encode())
    origin, size, root = text.split("\n")
    assert origin == name
    found = []
    for event in document["events"]:
        leaf = base64.b64decode(event["leaf"])
        path = [base64.b64decode(node) for node in event["path"]]
        digest = hashlib.sha256(b"\0" + leaf).digest()
        assert _climb(digest, event["position"], int(size), path) == base64.b64decode(root)
        found.append((struct.unpack(">q", leaf[4:12])[0], _event_type(leaf)))
    return found


def _climb(node: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root, by the recursive definition: the last hash of the path is the topmost."""
    if size == 1:
        assert not path
        return node
    *below, sibling = path
    k = _largest_power_below(size)
    if index < k:
        return hashlib.sha256(b"\1" + _climb(node, index, k, below) + sibling).digest()
    right = _climb(node, index - k, size - k, below)
    return hashlib.sha256(b"\1" + sibling + right).digest()


def _event_type(leaf: bytes) -> str:
    fields = []
    while leaf:
        length = struct.unpack(">i", leaf[:4])[0]
        fields.append(leaf[4 : 4 + max(length, 0)])
        leaf = leaf[4 + max(length, 0) :]
    return fields[5].decode()
