"""Threat: Forged proof.

A proof of data that is not in the signed log.
"""

import base64
import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from support.cli import CommandLine, Result
from support.proving import Document, proof, signed_log

from registry.log import leaf as leaves
from registry.log import merkle
from registry.proofs.bundle import EventProof, write_bundle
from registry.proofs.checkpoint import Checkpoint
from registry.proofs.note import Signer


@pytest.fixture(scope="module")
def signed(
    fresh_database: Callable[[], AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[CommandLine]:
    """One log for all forgeries, which change nothing of it."""
    with fresh_database() as address, pytest.MonkeyPatch.context() as patch:
        yield signed_log(CommandLine(address, tmp_path_factory.mktemp("signed"), patch))


def swap(one: int, other: int) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        path = document["events"][0]["path"]
        path[one], path[other] = path[other], path[one]

    return change


def truncate(document: Document) -> None:
    document["events"][0]["path"].pop()


def prolong(document: Document) -> None:
    document["events"][0]["path"].append(base64.b64encode(bytes(32)).decode())


def other_index(document: Document) -> None:
    document["events"][0]["position"] = 4


def beyond_the_size(document: Document) -> None:
    document["events"][0]["position"] = 9


def no_index(document: Document) -> None:
    document["events"][0]["position"] = True


def other_size(document: Document) -> None:
    document["checkpoint"] = document["checkpoint"].replace("\n9\n", "\n10\n")


def other_root(document: Document) -> None:
    lines = document["checkpoint"].split("\n")
    lines[2] = base64.b64encode(bytes(32)).decode()
    document["checkpoint"] = "\n".join(lines)


def other_actor(document: Document) -> None:
    raw = base64.b64decode(document["events"][0]["leaf"])
    changed = leaves.decode(raw)._replace(actor="nobody@nowhere")
    document["events"][0]["leaf"] = base64.b64encode(leaves.encode(changed)).decode()


def no_event(document: Document) -> None:
    document["events"] = []


def twice(document: Document) -> None:
    document["events"] *= 2


def of_another_credential(document: Document) -> None:
    document["about"] = {"credential_ids": ["another"]}


def of_another_exchange(document: Document) -> None:
    document["about"] = {"account": "one", "exchange": "backpack"}


def about_another_position(document: Document) -> None:
    document["about"] = {"position": 4}


def about_something_that_is_no_list(document: Document) -> None:
    document["about"] = {"credential_ids": 5}


def negative_index(document: Document) -> None:
    document["events"][0]["position"] = -1


def immense_index(document: Document) -> None:
    document["events"][0]["position"] = 2**64 + 3


def immense_size(document: Document) -> None:
    document["checkpoint"] = document["checkpoint"].replace("\n9\n", f"\n{2**63 - 1}\n")


def index_as_text(document: Document) -> None:
    document["events"][0]["position"] = "3"


def bytes_after_the_leaf(document: Document) -> None:
    raw = base64.b64decode(document["events"][0]["leaf"]) + b"\0"
    document["events"][0]["leaf"] = base64.b64encode(raw).decode()


def a_node_as_leaf(document: Document) -> None:
    # Second preimage: the two children of a node in place of an event (RFC 9162, 2.1.1).
    node = b"".join(base64.b64decode(part) for part in document["events"][0]["path"][:2])
    document["events"][0]["leaf"] = base64.b64encode(node).decode()
    document["events"][0]["path"] = document["events"][0]["path"][1:]


def short_hash(document: Document) -> None:
    document["events"][0]["path"][0] = base64.b64encode(bytes(31)).decode()


def path_of_texts(document: Document) -> None:
    document["events"][0]["path"] = "".join(document["events"][0]["path"])


def url_base64(document: Document) -> None:
    document["events"][0]["leaf"] = base64.b64encode(b"\xff\xfe\xfd").decode().replace("/", "_")


def carriage_returns(document: Document) -> None:
    document["checkpoint"] = document["checkpoint"].replace("\n", "\r\n")


def unsigned(document: Document) -> None:
    document["checkpoint"] = document["checkpoint"].split("\n\n")[0] + "\n\n"


def no_format(document: Document) -> None:
    document["format"] = "another"


def not_base64(document: Document) -> None:
    document["events"][0]["leaf"] = "?"


def no_checkpoint(document: Document) -> None:
    del document["checkpoint"]


@pytest.mark.parametrize(
    "forge",
    [
        swap(0, 1),
        truncate,
        prolong,
        other_index,
        beyond_the_size,
        no_index,
        other_size,
        other_root,
        other_actor,
        no_event,
        twice,
        of_another_credential,
        of_another_exchange,
        about_another_position,
        about_something_that_is_no_list,
        negative_index,
        immense_index,
        immense_size,
        index_as_text,
        bytes_after_the_leaf,
        a_node_as_leaf,
        short_hash,
        path_of_texts,
        url_base64,
        carriage_returns,
        unsigned,
        no_format,
        not_base64,
        no_checkpoint,
    ],
)
def test_a_forged_proof_is_refused(signed: CommandLine, forge: Callable[[Document], None]) -> None:
    document = proof(signed, "3")
    forge(document)
    path = signed.file("forged.json", json.dumps(document))
    refused = signed("verify-proof", path, "--json")
    assert (refused.exit_status, refused.error["code"]) == (6, "invalid_proof")


def test_a_proof_against_an_older_root_is_refused(cli: CommandLine) -> None:
    signed = signed_log(cli)
    old = proof(signed, "3")["checkpoint"]
    signed("create-account", "three")
    signed("checkpoint")
    document = {**proof(signed, "3"), "checkpoint": old}
    path = signed.file("forged.json", json.dumps(document))
    assert signed("verify-proof", path).exit_status == 6


def test_an_event_that_a_signed_tree_has_in_anothers_place_is_refused(cli: CommandLine) -> None:
    """Whoever signs may have been given the first event twice, instead of the second."""
    first = leaves.encode(EVENT)
    digest = merkle.leaf_hash(first)
    signer = Signer.generate("test.example/log")
    note = Checkpoint("test.example/log", 2, merkle.node_hash(digest, digest)).sign(signer)

    def verified(place: int) -> Result:
        document = write_bundle({}, note, [EventProof(place, first, [digest])])
        path = cli.file("proof.json", json.dumps(document))
        return cli("verify-proof", path, "--key", str(signer.verifier), "--json")

    assert verified(0).exit_status == 0
    refused = verified(1)
    assert refused.exit_status == 6
    assert "the event at position 1 says 0 itself" in refused.error["message"]


EVENT = leaves.Leaf(
    position=0,
    event_id=uuid.UUID(int=1),
    stream_type="account",
    stream_id=uuid.UUID(int=2),
    stream_version=1,
    event_type="AccountCreated",
    schema_version=1,
    data='{"account_name":"one"}',
    actor="tester@host",
    reason=None,
    command_id=uuid.UUID(int=3),
    command_index=0,
    command_digest=bytes(32),
    related_account_id=None,
    occurred_at=dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
    recorded_at=dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
    recorded_by="tester",
)


def test_a_key_that_stands_twice_in_the_file_is_refused(signed: CommandLine) -> None:
    """Readers of JSON differ in which of the two counts."""
    document = proof(signed, "3")
    other = {**document, "events": []}
    text = json.dumps(other)[:-1] + ', "events": ' + json.dumps(document["events"]) + "}"
    refused = signed("verify-proof", signed.file("twice.json", text), "--json")
    assert (refused.exit_status, refused.error["code"]) == (2, "invalid_input")


def test_a_number_of_thousands_of_digits_is_refused(signed: CommandLine) -> None:
    text = json.dumps(proof(signed, "3")).replace('"position": 3', f'"position": {"9" * 5000}')
    assert signed("verify-proof", signed.file("long.json", text)).exit_status in (2, 6)


def test_a_text_in_front_or_behind_is_refused(signed: CommandLine) -> None:
    text = json.dumps(proof(signed, "3"))
    for changed in (text + text, "x" + text, text + "\0"):
        refused = signed("verify-proof", signed.file("more.json", changed), "--json")
        assert (refused.exit_status, refused.error["code"]) == (2, "invalid_input")


def test_another_spelling_of_the_same_bytes_proves_the_same_and_nothing_else(
    signed: CommandLine,
) -> None:
    """Base64 has unused bits at its end: another text, the same hash."""
    document = proof(signed, "3")
    node: str = document["events"][0]["path"][0]
    assert node.endswith("=")
    position = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".index(node[-2])
    sibling = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[position ^ 1]
    respelled = f"{node[:-2]}{sibling}="
    assert base64.b64decode(respelled) == base64.b64decode(node)
    document["events"][0]["path"][0] = respelled
    verified = signed("verify-proof", signed.file("same.json", json.dumps(document)), "--json")
    assert [event["position"] for event in verified.data["events"]] == [3]
