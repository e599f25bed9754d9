"""Threat: Forged checkpoint.

A note that the key did not sign, or that is not a checkpoint.
"""

import base64

import pytest

from registry.errors import InvalidProof
from registry.proofs.checkpoint import Checkpoint, read_checkpoint
from registry.proofs.note import MAX_SIGNATURES, Signer


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
    ("text", "why"),
    [
        ("test.example/log\n042\n" + "A" * 43 + "=\n", "is not a checkpoint"),
        ("test.example/log\n-1\n" + "A" * 43 + "=\n", "is not a checkpoint"),
        ("test.example/log\n42\nAAAA\n", "root of the checkpoint is malformed"),
        ("test.example/log\n42\n", "is not a checkpoint"),
        ("other.example/log\n42\n" + "A" * 43 + "=\n", "is of the log other.example/log"),
        ("test.example/log\n42\n" + "A" * 42 + "B=\n", "root of the checkpoint is malformed"),
        ("test.example/log\n42\nnot base64!\n", "root of the checkpoint is malformed"),
    ],
)
def test_a_signed_text_that_is_no_checkpoint_of_the_log_is_refused(
    signer: Signer, text: str, why: str
) -> None:
    with pytest.raises(InvalidProof, match=why):
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


@pytest.mark.parametrize(
    "name",
    ["test.ex\u0430mple/log", "test.example/l\u043eg", "TEST.example/log", "test.example/log2"],
)
def test_a_key_with_a_name_that_looks_alike_is_another_key(signer: Signer, name: str) -> None:
    forged = Checkpoint(name, 42, bytes(32)).sign(Signer.generate(name))
    with pytest.raises(InvalidProof):
        read_checkpoint(forged, signer.verifier)
    renamed = forged.replace(name, "test.example/log")
    with pytest.raises(InvalidProof):
        read_checkpoint(renamed, signer.verifier)


def test_a_second_signature_of_the_same_key_must_be_valid_too(signer: Signer) -> None:
    note = Checkpoint("test.example/log", 42, bytes(32)).sign(signer)
    forged = base64.b64encode(signer.verifier.key_id + bytes(64)).decode()
    with pytest.raises(InvalidProof, match="signature is not valid"):
        read_checkpoint(f"{note}\u2014 test.example/log {forged}\n", signer.verifier)


def test_a_note_with_very_many_signatures_is_refused(signer: Signer) -> None:
    note = Checkpoint("test.example/log", 42, bytes(32)).sign(signer)
    line = note.split("\n\n")[1]
    with pytest.raises(InvalidProof, match="too many"):
        read_checkpoint(note + line * MAX_SIGNATURES, signer.verifier)


def test_a_signature_of_one_log_does_not_count_for_another_of_the_same_key(signer: Signer) -> None:
    """The origin is part of what is signed."""
    with pytest.raises(InvalidProof, match="of the log other"):
        read_checkpoint(signer.sign(Checkpoint("other", 42, bytes(32)).text), signer.verifier)


@pytest.mark.parametrize(
    "change", [("\n", "\r\n"), ("42", "42\u2028"), ("log\n", "log \n"), ("42", "4_2")]
)
def test_other_line_ends_and_digits_are_refused_even_if_signed(
    signer: Signer, change: tuple[str, str]
) -> None:
    text = Checkpoint("test.example/log", 42, bytes(32)).text.replace(*change)
    with pytest.raises(InvalidProof):
        read_checkpoint(signer.sign(text), signer.verifier)
