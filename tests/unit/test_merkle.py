"""The tree: the published vectors, its laws, and proofs that must be rejected."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import offline_verifier as other

from registry.log import merkle

# The eight leaves and their roots of the Certificate Transparency reference implementation
# (google/certificate-transparency, merkletree/merkle_tree_test.cc), used by most others.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# The audit paths and consistency proofs that the same source publishes.
PATHS = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
PROOFS = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


class Tree:
    """A tree with what the log would store beside each leaf."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.peaks: list[bytes] = []
        self.nodes: dict[merkle.Node, bytes] = {}
        for position, leaf in enumerate(leaves):
            digest = merkle.leaf_hash(leaf)
            roots = merkle.grow(self.peaks, position, digest)
            for level, node in enumerate([digest, *roots]):
                self.nodes[merkle.Node(level, position)] = node
        self.size = len(leaves)
        self.root = merkle.root_of(self.peaks)

    def path(self, index: int) -> list[bytes]:
        ranges = merkle.inclusion_ranges(index, self.size)
        return [merkle.root_over(one, self.nodes) for one in ranges]

    def proof(self, old: int) -> list[bytes]:
        ranges = merkle.consistency_ranges(old, self.size)
        return [merkle.root_over(one, self.nodes) for one in ranges]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_that_are_published(size: int) -> None:
    assert Tree(LEAVES[:size]).root.hex() == ROOTS[size - 1]
    assert other.tree_hash(LEAVES[:size]).hex() == ROOTS[size - 1]


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert Tree([]).root.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(("index", "size"), PATHS)
def test_the_audit_paths_are_those_that_are_published(index: int, size: int) -> None:
    path = Tree(LEAVES[:size]).path(index)
    assert [node.hex() for node in path] == PATHS[index, size]
    root = merkle.root_from_path(merkle.leaf_hash(LEAVES[index]), index, size, path)
    assert root is not None
    assert root.hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("old", "new"), PROOFS)
def test_the_consistency_proofs_are_those_that_are_published(old: int, new: int) -> None:
    proof = Tree(LEAVES[:new]).proof(old)
    assert [node.hex() for node in proof] == PROOFS[old, new]
    old_root, new_root = bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[new - 1])
    assert merkle.is_consistent(old, old_root, new, new_root, proof)


@pytest.mark.parametrize("new", [2, 7, 8, 25, 26, 40])
def test_every_path_and_proof_holds_and_no_proof_that_lacks_a_node(new: int) -> None:
    leaves = [bytes([number]) for number in range(new)]
    tree = Tree(leaves)
    for old in range(1, new):
        leaf = merkle.leaf_hash(leaves[old])
        assert merkle.root_from_path(leaf, old, new, tree.path(old)) == tree.root
        old_root, proof = Tree(leaves[:old]).root, tree.proof(old)
        assert merkle.is_consistent(old, old_root, new, tree.root, proof)
        assert not merkle.is_consistent(old, old_root, new, tree.root, [])
        for at in range(len(proof)):
            less = [*proof[:at], *proof[at + 1 :]]
            assert not merkle.is_consistent(old, old_root, new, tree.root, less)


def test_of_an_empty_tree_a_proof_needs_no_node() -> None:
    assert merkle.consistency_ranges(0, 5) == []
    with pytest.raises(ValueError, match="did not grow"):
        merkle.consistency_ranges(-1, 5)


@st.composite
def trees(draw: Any) -> tuple[list[bytes], int]:
    leaves = draw(st.lists(st.binary(max_size=8), min_size=1, max_size=70))
    return leaves, draw(st.integers(0, len(leaves) - 1))


@settings(deadline=None)
@given(trees())
def test_paths_and_proofs_are_those_of_the_definition_and_hold(
    given_tree: tuple[list[bytes], int],
) -> None:
    leaves, index = given_tree
    tree = Tree(leaves)
    assert tree.root == other.tree_hash(leaves)
    path = tree.path(index)
    assert path == other.path_of(index, leaves)
    leaf = merkle.leaf_hash(leaves[index])
    assert merkle.root_from_path(leaf, index, tree.size, path) == tree.root
    old = index + 1
    proof = tree.proof(old)
    assert proof == other.consistency_proof(old, leaves)
    assert merkle.is_consistent(old, Tree(leaves[:old]).root, tree.size, tree.root, proof)


@settings(deadline=None)
@given(trees(), st.data())
def test_no_other_index_size_path_or_root_is_believed(
    given_tree: tuple[list[bytes], int], data: st.DataObject
) -> None:
    leaves, index = given_tree
    leaves = [bytes([number]) + leaf for number, leaf in enumerate(leaves)]
    tree = Tree(leaves)
    leaf, path, size = merkle.leaf_hash(leaves[index]), tree.path(index), tree.size

    def root(i: int = index, s: int = size, p: list[bytes] = path) -> bytes | None:
        return merkle.root_from_path(leaf, i, s, p)

    assert root(i=size) is None
    assert root(i=-1) is None
    wrong_index = data.draw(st.integers(0, size))
    assert wrong_index == index or root(i=wrong_index) != tree.root
    assert root(p=[*path, bytes(32)]) != tree.root
    if path:
        assert root(p=path[:-1]) != tree.root
        assert root(p=path[1:]) != tree.root
        at = data.draw(st.integers(0, len(path) - 1))
        assert root(p=[*path[:at], bytes(32), *path[at + 1 :]]) != tree.root
    if len(path) > 1:
        assert root(p=[path[1], path[0], *path[2:]]) != tree.root


@settings(deadline=None)
@given(trees(), st.data())
def test_no_changed_consistency_proof_is_believed(
    given_tree: tuple[list[bytes], int], data: st.DataObject
) -> None:
    leaves, index = given_tree
    leaves = [bytes([number]) + leaf for number, leaf in enumerate(leaves)]
    old, tree = index + 1, Tree(leaves)
    old_root, proof = Tree(leaves[:old]).root, tree.proof(index + 1)

    def holds(o: int, r: bytes, n: int, p: list[bytes]) -> bool:
        return merkle.is_consistent(o, r, n, tree.root, p)

    assert holds(old, old_root, tree.size, proof)
    assert not holds(old, bytes(32), tree.size, proof)
    assert not holds(tree.size + 1, old_root, tree.size, proof)
    assert not holds(old, old_root, tree.size, [*proof, bytes(32)])
    if proof:
        assert not holds(old, old_root, tree.size, proof[:-1])
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not holds(old, old_root, tree.size, [*proof[:at], bytes(32), *proof[at + 1 :]])
        wrong = data.draw(st.integers(1, tree.size))
        assert wrong == old or not holds(wrong, old_root, tree.size, proof)


@pytest.mark.parametrize(
    ("index", "size", "claimed"),
    [(2, 3, (1, 3)), (1, 3, (2, 3)), (2, 3, (2, 4)), (2, 3, (2, 2)), (0, 1, (0, 2))],
    ids=["index", "longer path", "size", "beyond the end", "shorter path"],
)
def test_a_path_holds_for_its_own_place_only(
    index: int, size: int, claimed: tuple[int, int]
) -> None:
    path, leaf = Tree(LEAVES[:size]).path(index), merkle.leaf_hash(LEAVES[index])
    assert merkle.root_from_path(leaf, index, size, path) is not None
    assert merkle.root_from_path(leaf, *claimed, path) is None


def test_everything_continues_an_empty_log_and_nothing_is_in_it() -> None:
    tree = Tree(LEAVES)
    assert merkle.is_consistent(0, merkle.EMPTY_ROOT, 8, tree.root, [])
    assert not merkle.is_consistent(0, merkle.EMPTY_ROOT, 8, tree.root, [bytes(32)])
    assert not merkle.is_consistent(0, bytes(32), 8, tree.root, [])
    with pytest.raises(ValueError, match="no leaf 0"):
        merkle.inclusion_ranges(0, 0)
    with pytest.raises(ValueError, match="did not grow"):
        merkle.consistency_ranges(2, 1)


def test_a_proof_needs_few_nodes_however_long_the_log() -> None:
    size = 1_000_003
    ranges = [*merkle.inclusion_ranges(517_001, size), *merkle.consistency_ranges(517_001, size)]
    nodes = [node for one in ranges for node in merkle.perfect_subtrees(one)]
    assert len(nodes) < 4 * size.bit_length()
