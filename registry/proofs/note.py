"""Signed notes: a text, and lines that sign it with Ed25519.

https://github.com/C2SP/C2SP/blob/main/signed-note.md; keys have the text form of Go's
golang.org/x/mod/sumdb/note, so that its tools read them.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from registry.encryption.secret import Secret
from registry.errors import CheckpointKeyMalformed, InvalidProof, RegistryError
from registry.hints import Command, Hint
from registry.shown import is_secret, shown

_ED25519: Final = b"\x01"
_KEY_BYTES: Final = 32
_ID_BYTES: Final = 4
_DASH: Final = "\u2014 "
_PRIVATE: Final = "PRIVATE+KEY+"
MAX_SIGNATURES: Final = 100


def is_key_name(name: str) -> bool:
    """Whether a key may have this name: not empty, no spaces, no plus, no control characters."""
    return bool(name) and name.isprintable() and "+" not in name and not any(map(str.isspace, name))


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key and its name."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand before each signature of this key."""
        named = self.name.encode() + b"\n" + _ED25519 + self.public
        return hashlib.sha256(named).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        key = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """The key of a text `name+id+key`.

        Raises:
            CheckpointKeyMalformed: the text is not a public key.
        """
        error = CheckpointKeyMalformed(
            "this is not a public key",
            hint="It looks like NAME+ID+BASE64; generate-checkpoint-key printed it, and put it "
            "into checkpoint.pub.",
        )
        name, key = _parse(text.strip(), error)
        verifier = cls(name, key)
        if text.strip() != str(verifier):
            raise CheckpointKeyMalformed("the public key does not fit its own name and id")
        return verifier

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Whether this key made the signature of the text (RFC 8032 section 5.1.7)."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key and its name."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._seed = seed
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Signer({self.verifier.name})"

    @classmethod
    def generate(cls, name: str) -> "Signer":
        """A new random key.

        Raises:
            CheckpointKeyMalformed: a key cannot have this name.
        """
        if not is_key_name(name) or is_secret(name):
            raise CheckpointKeyMalformed(
                f"{shown(repr(name))} cannot name a key: it needs visible characters, "
                "no spaces and no plus",
                hint="It looks like registry.example.com/main.",
            )
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: Secret) -> "Signer":
        """The key of a text `PRIVATE+KEY+name+id+key`.

        Raises:
            CheckpointKeyMalformed: the text is not a private key.
        """
        error = CheckpointKeyMalformed(
            "this is not a private key for checkpoints",
            hint=Hint("Make one with: ", Command("generate-checkpoint-key")),
        )
        plain = text.reveal().strip()
        if not plain.startswith(_PRIVATE):
            raise error
        signer = cls(*_parse(plain.removeprefix(_PRIVATE), error))
        if plain != signer.to_text().reveal():
            raise error
        return signer

    def to_text(self) -> Secret:
        """The private key as a line of text."""
        name, key_id, key = self.verifier.name, self.verifier.key_id.hex(), _ED25519 + self._seed
        return Secret(f"{_PRIVATE}{name}+{key_id}+{base64.b64encode(key).decode()}")

    def sign(self, text: str) -> str:
        """The text as a signed note."""
        signature = self.verifier.key_id + self._key.sign(text.encode())
        line = base64.b64encode(signature).decode()
        return f"{text}\n{_DASH}{self.verifier.name} {line}\n"


class Signature(NamedTuple):
    """One line under a note."""

    name: str
    key_id: bytes
    signature: bytes


def verified_text(note: str, verifier: Verifier) -> str:
    """The text of a note that this key signed; lines of other keys are ignored.

    Raises:
        InvalidProof: it is not a signed note, or the key did not sign this text.
    """
    text, signatures = _read(note)
    known = [s for s in signatures if (s.name, s.key_id) == (verifier.name, verifier.key_id)]
    if not known:
        signers = ", ".join(sorted({s.name for s in signatures}))
        raise InvalidProof(
            f"the note is signed by {signers}, not by the given key {verifier.name}",
            hint="Give the public key of the registry that issued it.",
        )
    if not all(verifier.accepts(text.encode(), signature.signature) for signature in known):
        raise InvalidProof("the signature is not valid: the note was changed or forged")
    return text


def split_notes(text: str) -> list[str]:
    """Splits a file of consecutive notes.

    Raises:
        InvalidProof: a part of the file is not a signed note.
    """
    notes: list[str] = []
    lines: list[str] = []
    signed = False
    for line in text.splitlines(keepends=True):
        if signed and not line.startswith(_DASH):
            notes.append("".join(lines))
            lines, signed = [], False
        if not lines and not line.strip():
            continue
        lines.append(line)
        signed = line.startswith(_DASH)
    if signed:
        notes.append("".join(lines))
    elif "".join(lines).strip():
        raise InvalidProof(
            "the file does not end with a signed note",
            hint="If it is a file of checkpoints that was cut off, take away what follows its last "
            "signature; a checkpoint is never appended to another file.",
        )
    return notes


def _read(note: str) -> tuple[str, list[Signature]]:
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise InvalidProof("this is not a signed note: it has no signature")
    if any(character < " " and character != "\n" for character in note):
        raise InvalidProof("this is not a signed note: it holds control characters")
    signatures = list(_signatures(lines.splitlines()))
    if len(signatures) > MAX_SIGNATURES:
        raise InvalidProof("the note has too many signatures")
    return text + "\n", signatures


def _signatures(lines: list[str]) -> Iterator[Signature]:
    for line in lines:
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        raw = from_base64(encoded)
        if not line.startswith(_DASH) or raw is None or len(raw) <= _ID_BYTES:
            raise InvalidProof("this is not a signed note: a signature line is malformed")
        yield Signature(name, raw[:_ID_BYTES], raw[_ID_BYTES:])


def _parse(text: str, error: RegistryError) -> tuple[str, bytes]:
    # Only the first two pluses separate: the key is in base64, which has pluses of its own.
    parts = text.split("+", 2)
    raw = from_base64(parts[-1])
    if (
        len(parts) != len(("name", "id", "key"))
        or raw is None
        or len(raw) != 1 + _KEY_BYTES
        or raw[:1] != _ED25519
        or not is_key_name(parts[0])
    ):
        raise error
    return parts[0], raw[1:]


def from_base64(text: str) -> bytes | None:
    """Decodes base64; None if the text is malformed."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
