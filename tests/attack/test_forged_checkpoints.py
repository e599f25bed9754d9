"""Threat: Forged checkpoint.

A note that the key did not sign, or that is no checkpoint.
"""

import base64

import pytest

from registry.errors import InvalidProof
from registry.proofs.checkpoint import Checkpoint, read_checkpoint
from registry.proofs.note import Signer


@pytest.fixture
def signer() -> Signer:
    return Signer.generate("test.example/log")


@pytest.mark.parametrize(
    "change",
    [
        ("test.example/log\n42", "test.example/log\n43"),
        ("\n42\n", "\n042\n"),
        ("\n\n", "\n"),
        ("\u2014 ", "- "),
        ("AAECAwQ", "BAECAwQ"),
        ("\n42\n", "\n42\r\n"),
    ],
)
def test_a_changed_note_is_refused(signer: Signer, change: tuple[str, str]) -> None:
    note = Checkpoint("test.example/log", 42, bytes(range(32))).sign(signer)
    assert change[0] in note
    with pytest.raises(InvalidProof):
        read_checkpoint(note.replace(*change, 1), signer.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "test.example/log\n042\n" + "A" * 43 + "=\n",
        "test.example/log\n-1\n" + "A" * 43 + "=\n",
        "test.example/log\n42\nAAAA\n",
        "test.example/log\n42\n",
        "other.example/log\n42\n" + "A" * 43 + "=\n",
        "test.example/log\n42\n" + "A" * 42 + "B=\n",
        "test.example/log\n42\nnot base64!\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_of_the_log_is_refused(
    signer: Signer, text: str
) -> None:
    with pytest.raises(InvalidProof):
        read_checkpoint(signer.sign(text), signer.verifier)


def test_a_note_of_another_key_of_the_same_name_is_refused(signer: Signer) -> None:
    forged = Checkpoint("test.example/log", 42, bytes(32)).sign(Signer.generate("test.example/log"))
    with pytest.raises(InvalidProof, match="not by the given key"):
        read_checkpoint(forged, signer.verifier)


def test_a_forged_signature_under_the_right_key_id_is_refused(signer: Signer) -> None:
    text = Checkpoint("test.example/log", 42, bytes(32)).text
    line = base64.b64encode(signer.verifier.key_id + bytes(64)).decode()
    with pytest.raises(InvalidProof, match="signature is not valid"):
        read_checkpoint(f"{text}\n\u2014 test.example/log {line}\n", signer.verifier)
