"""Threat: Forged proof.

A proof of something that is not in the signed log.
"""

import base64
import json
from collections.abc import Callable

import pytest
from support.cli import CommandLine
from support.proving import Document, proof, signed_log

from registry.log import leaf as leaves


@pytest.fixture
def signed(cli: CommandLine) -> CommandLine:
    return signed_log(cli)


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


def test_a_proof_against_an_older_root_is_refused(signed: CommandLine) -> None:
    old = proof(signed, "3")["checkpoint"]
    signed("create-account", "three")
    signed("checkpoint")
    document = {**proof(signed, "3"), "checkpoint": old}
    path = signed.file("forged.json", json.dumps(document))
    assert signed("verify-proof", path).exit_status == 6
