"""Signed notes and checkpoints: the published examples, and notes that are refused."""

import base64
from collections.abc import Callable

import pytest

from registry.encryption.secret import Secret
from registry.errors import CheckpointKeyMalformed, InvalidProof
from registry.proofs.checkpoint import Checkpoint, read_checkpoint
from registry.proofs.note import MAX_SIGNATURES, Signer, Verifier, split_notes, verified_text

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
    for rest in ("something else\n", "\nsomething else"):
        with pytest.raises(InvalidProof, match="does not end with a signed note") as refused:
            split_notes(notes[0] + rest)
        assert "was cut off" in str(refused.value.hint)


def test_a_text_may_have_blank_lines_and_the_last_one_ends_it(signer: Signer) -> None:
    text = "one\n\ntwo\n"
    assert verified_text(signer.sign(text), signer.verifier) == text


def test_a_note_may_have_a_hundred_signatures(signer: Signer) -> None:
    note = signer.sign("text\n")
    line = note.split("\n\n")[1]
    assert verified_text(note + line * (MAX_SIGNATURES - 1), signer.verifier) == "text\n"
    with pytest.raises(InvalidProof, match="too many"):
        verified_text(note + line * MAX_SIGNATURES, signer.verifier)


def signed_by(signer: Signer, raw: bytes) -> str:
    return f"\u2014 {signer.verifier.name} {base64.b64encode(raw).decode()}\n"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda note, _: note.replace("\n\n", "\n"), "it has no signature"),
        (lambda note, _: note[:-1], "it has no signature"),
        (lambda _, __: "", "it has no signature"),
        (lambda _, __: "\n", "it has no signature"),
        (lambda note, _: note.replace("text", "te\tt"), "holds control characters"),
        (lambda note, _: note.replace("\u2014 ", "- "), "a signature line is malformed"),
        (lambda note, _: note + "\u2014 name ?\n", "a signature line is malformed"),
        (lambda note, _: note + "\u2014 name\n", "a signature line is malformed"),
        (lambda note, _: note + "\u2014 a name AAAAAAA=\n", "a signature line is malformed"),
        (lambda note, s: note + signed_by(s, bytes(4)), "a signature line is malformed"),
        (lambda note, s: note + signed_by(s, bytes(5))[2:], "a signature line is malformed"),
        (lambda note, _: note[:-2] + " " + note[-2:], "a signature line is malformed"),
        (lambda note, _: note[:-2] + "!" + note[-2:], "a signature line is malformed"),
    ],
)
def test_what_is_no_signed_note_is_refused(
    signer: Signer, change: Callable[[str, Signer], str], why: str
) -> None:
    with pytest.raises(InvalidProof, match=why):
        verified_text(change(signer.sign("text\n"), signer), signer.verifier)


def test_a_note_of_other_keys_names_them_and_says_which_key_is_needed(signer: Signer) -> None:
    note = Signer.generate("b").sign("text\n")
    note += Signer.generate("a").sign("text\n").split("\n\n")[1]
    with pytest.raises(InvalidProof) as refused:
        verified_text(note, signer.verifier)
    assert refused.value.message == (
        "the note is signed by a, b, not by the given key test.example/log"
    )
    assert "public key of the registry" in str(refused.value.hint)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb"])
def test_a_key_needs_a_name_that_notes_can_carry(name: str) -> None:
    with pytest.raises(CheckpointKeyMalformed, match="cannot name a key") as refused:
        Signer.generate(name)
    assert refused.value.hint == "It looks like registry.example.com/main."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        PUBLIC.replace("c74f20a3", "c74f20a4"),
        PUBLIC.replace("PeterNeumann", "PeterNewmann"),
        PUBLIC.replace("+ARpc", "+AhpcB"),
        PUBLIC.replace("+ARpc", "+AR!pc"),
        str(Verifier("a b", bytes(32))),
        str(Verifier("ab", bytes(31))),
        f"a+00000000+{base64.b64encode(bytes(33)).decode()}",
        PRIVATE,
    ],
)
def test_a_text_that_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(CheckpointKeyMalformed, match="public key") as refused:
        Verifier.parse(text)
    if "does not fit" not in refused.value.message:
        assert "generate-checkpoint-key printed it" in str(refused.value.hint)


@pytest.mark.parametrize(
    "text", ["", PUBLIC, PRIVATE[:-4], PRIVATE.replace("c74f20a3", "00000000")]
)
def test_a_text_that_is_no_private_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(CheckpointKeyMalformed) as refused:
        Signer.parse(Secret(text))
    assert refused.value.message == "this is not a private key for checkpoints"
    assert "generate-checkpoint-key" in str(refused.value.hint)
    assert "AYEKFALV" not in f"{refused.value.message}{refused.value.hint}"


def test_a_private_key_does_not_show_itself(signer: Signer) -> None:
    assert repr(signer) == "Signer(test.example/log)"
