"""Proofs as files: accepted and refused ones, without a database."""

import base64
import datetime as dt
import json
import re
import uuid
from typing import Any, Final

import pytest

from registry.errors import InvalidProof
from registry.log import leaf as leaves
from registry.log import merkle
from registry.log.leaf import Leaf
from registry.proofs.bundle import FORMAT, EventProof, verify_bundle, write_bundle
from registry.proofs.checkpoint import Checkpoint
from registry.proofs.note import Signer

SIGNER: Final = Signer.generate("test.example/log")
MOMENT: Final = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
ASTER: Final = {
    "credential_id": "c1",
    "exchange": "aster",
    "subaccount_index": None,
    "permission": "full",
}


def event(position: int, **data: Any) -> Leaf:
    """An event of a log."""
    return Leaf(
        position,
        uuid.UUID(int=1),
        "account",
        uuid.UUID(int=2),
        position + 1,
        "CredentialAdded",
        1,
        json.dumps({**ASTER, **data}),
        "tester@host",
        None,
        uuid.UUID(int=3),
        0,
        bytes(32),
        None,
        MOMENT,
        MOMENT,
        "tester",
    )


LOG: Final = [event(0), event(1, exchange="backpack", subaccount_index=3), event(2)]


def signed(events: list[Leaf], *positions: int, about: dict[str, Any] | None = None) -> Any:
    """A proof of some events of a log that was signed as a whole."""
    raw = [leaves.encode(one) for one in events]
    nodes: dict[merkle.Node, bytes] = {}
    peaks: list[bytes] = []
    for position, one in enumerate(raw):
        digest = merkle.leaf_hash(one)
        for level, node in enumerate([digest, *merkle.grow(peaks, position, digest)]):
            nodes[merkle.Node(level, position)] = node
    checkpoint = Checkpoint(SIGNER.verifier.name, len(events), merkle.root_of(peaks))

    def path(position: int) -> list[bytes]:
        ranges = merkle.inclusion_ranges(position, len(events))
        return [merkle.root_over(one, nodes) for one in ranges]

    proofs = [EventProof(position, raw[position], path(position)) for position in positions]
    return write_bundle(about or {}, checkpoint.sign(SIGNER), proofs)


def refused(document: Any, why: str) -> None:
    with pytest.raises(InvalidProof, match=re.escape(why)):
        verify_bundle(document, SIGNER.verifier)


def test_a_proof_gives_its_events_and_says_what_it_is_about() -> None:
    about = {"account": "one", "exchange": "aster", "credential_ids": ["c1"]}
    document = signed(LOG, 0, 2, about=about)
    proven = verify_bundle(json.loads(json.dumps(document)), SIGNER.verifier)
    assert (proven.about, proven.events) == (about, [LOG[0], LOG[2]])
    assert (proven.checkpoint.origin, proven.checkpoint.size) == ("test.example/log", 3)


def test_a_proof_is_a_document_of_texts_and_numbers() -> None:
    document = signed(LOG, 1)
    assert list(document) == ["format", "about", "checkpoint", "events"]
    assert document["format"] == FORMAT == "account-registry proof 1"
    (one,) = document["events"]
    assert one["position"] == 1
    assert base64.b64decode(one["leaf"]) == leaves.encode(LOG[1])
    assert [len(base64.b64decode(node)) for node in one["path"]] == [32, 32]


@pytest.mark.parametrize(
    ("part", "value", "why"),
    [
        ("format", "another", "its format is not"),
        ("checkpoint", None, "a part is missing"),
        ("checkpoint", 5, "a part is missing"),
        ("about", None, "a part is missing"),
        ("about", [], "a part is missing"),
        ("events", None, "a part is missing"),
        ("events", {}, "a part is missing"),
        ("events", [], "holds no event"),
        ("events", [{"position": 1}], "an event of the proof is malformed"),
        ("events", [5], "an event of the proof is malformed"),
    ],
)
def test_a_document_that_lacks_something_is_refused(part: str, value: Any, why: str) -> None:
    refused({**signed(LOG, 1), part: value}, why)


@pytest.mark.parametrize("document", [None, [], "text", {}])
def test_what_is_no_document_is_refused(document: Any) -> None:
    refused(document, f"this is not a proof: its format is not {FORMAT!r}")


@pytest.mark.parametrize(
    ("part", "value", "why"),
    [
        ("position", True, "malformed"),
        ("position", "1", "malformed"),
        ("position", 1.0, "malformed"),
        ("leaf", "?", "malformed"),
        ("leaf", None, "malformed"),
        ("path", None, "malformed"),
        ("path", ["?"], "malformed"),
        ("path", [base64.b64encode(bytes(31)).decode()], "malformed"),
        ("path", [], "the event at position 1 is not in the log of the checkpoint"),
        ("position", 2, "the event at position 2 is not in the log of the checkpoint"),
        ("position", 9, "the event at position 9 is not in the log of the checkpoint"),
    ],
)
def test_an_event_that_is_not_proven_is_refused(part: str, value: Any, why: str) -> None:
    document = signed(LOG, 1)
    document["events"][0][part] = value
    refused(document, why)


def test_an_event_that_stands_in_anothers_place_of_a_signed_tree_is_refused() -> None:
    refused(signed([LOG[0], LOG[0]], 1), "the event at position 1 says 0 itself")


def test_bytes_that_are_no_event_are_refused_although_they_were_signed() -> None:
    note = Checkpoint(SIGNER.verifier.name, 1, merkle.leaf_hash(b"no leaf")).sign(SIGNER)
    document = write_bundle({}, note, [EventProof(0, b"no leaf", [])])
    refused(document, "the event at position 0: the leaf ends within a field")


@pytest.mark.parametrize("positions", [(2, 0), (1, 1)], ids=["backwards", "twice"])
def test_events_in_another_order_than_the_logs_are_refused(positions: tuple[int, int]) -> None:
    refused(signed(LOG, *positions), "not in the order of the log")


@pytest.mark.parametrize(
    "about",
    [
        {"position": 1},
        {"exchange": "backpack"},
        {"subaccount": 3},
        {"permission": "full"},
        {"exchange": None, "subaccount": None},
        {"credential_ids": ["c1", "another"]},
        {"account": "whoever"},
    ],
    ids=str,
)
def test_a_proof_is_about_what_its_events_say(about: dict[str, Any]) -> None:
    assert verify_bundle(signed(LOG, 1, about=about), SIGNER.verifier).about == about


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"position": 0}, "the event of the proof is not the one that it is about"),
        ({"position": None}, "the event of the proof is not the one that it is about"),
        ({"exchange": "aster"}, "position 1 is not about the credential of the proof"),
        ({"subaccount": 0}, "position 1 is not about the credential of the proof"),
        ({"permission": "read_only"}, "position 1 is not about the credential of the proof"),
        ({"credential_ids": ["another"]}, "position 1 is not about the credential of the proof"),
        ({"credential_ids": []}, "position 1 is not about the credential of the proof"),
        ({"credential_ids": "c1"}, "a part is malformed"),
    ],
)
def test_a_proof_of_something_else_than_it_says_is_refused(about: dict[str, Any], why: str) -> None:
    refused(signed(LOG, 1, about=about), why)


def test_a_proof_of_several_events_is_about_none_of_them_alone() -> None:
    refused(signed(LOG, 0, 1, about={"position": 0}), "not the one that it is about")
    refused(signed(LOG, 0, 1, about={"exchange": "aster"}), "the event at position 1")
