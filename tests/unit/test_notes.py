"""Signed notes and checkpoints: the published examples, and notes that are refused."""

import pytest

from registry.encryption.secret import Secret
from registry.errors import CheckpointKeyMalformed, InvalidProof
from registry.proofs.checkpoint import Checkpoint, read_checkpoint
from registry.proofs.note import Signer, Verifier, split_notes, verified_text

# From the documentation and tests of Go's golang.org/x/mod/sumdb/note.
PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
NOTE = (
    TEXT + "\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFY"
    "C2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


@pytest.fixture
def signer() -> Signer:
    return Signer.generate("test.example/log")


def test_a_published_note_is_accepted_and_made_in_the_same_way() -> None:
    assert verified_text(NOTE, Verifier.parse(PUBLIC)) == TEXT
    signer = Signer.parse(Secret(PRIVATE))
    assert str(signer.verifier) == PUBLIC
    assert signer.sign(TEXT) == NOTE
    assert signer.to_text().reveal() == PRIVATE


def test_a_checkpoint_reads_as_it_was_written(signer: Signer) -> None:
    checkpoint = Checkpoint("test.example/log", 42, bytes(range(32)))
    note = checkpoint.sign(signer)
    assert read_checkpoint(note, signer.verifier) == checkpoint
    assert note.splitlines()[:3] == [
        "test.example/log",
        "42",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    ]


def test_lines_of_other_keys_are_passed_over(signer: Signer) -> None:
    note = Checkpoint("test.example/log", 1, bytes(32)).sign(signer)
    witness = Signer.generate("witness.example").sign(note.split("\n\n")[0] + "\n")
    both = note + witness.split("\n\n")[1]
    assert read_checkpoint(both, signer.verifier).size == 1


@pytest.mark.parametrize("between", ["", "\n", "\n\n"])
def test_a_file_of_notes_is_split_into_them(signer: Signer, between: str) -> None:
    notes = [Checkpoint("test.example/log", n, bytes(32)).sign(signer) for n in (1, 2, 3)]
    assert split_notes(between.join(notes)) == notes
    assert split_notes("") == []
    with pytest.raises(InvalidProof):
        split_notes(notes[0] + "something else\n")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb"])
def test_a_key_needs_a_name_that_notes_can_carry(name: str) -> None:
    with pytest.raises(CheckpointKeyMalformed):
        Signer.generate(name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        PUBLIC.replace("c74f20a3", "c74f20a4"),
        PUBLIC.replace("PeterNeumann", "PeterNewmann"),
        PUBLIC.replace("+ARpc", "+AhpcB"),
        PRIVATE,
    ],
)
def test_a_text_that_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(CheckpointKeyMalformed):
        Verifier.parse(text)


@pytest.mark.parametrize(
    "text", ["", PUBLIC, PRIVATE[:-4], PRIVATE.replace("c74f20a3", "00000000")]
)
def test_a_text_that_is_no_private_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(CheckpointKeyMalformed) as refused:
        Signer.parse(Secret(text))
    assert "AYEKFALV" not in f"{refused.value.message}{refused.value.hint}"


def test_a_private_key_does_not_show_itself(signer: Signer) -> None:
    assert repr(signer) == "Signer(test.example/log)"
