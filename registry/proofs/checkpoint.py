"""Checkpoints: the log's size and root, signed.

https://github.com/C2SP/C2SP/blob/main/tlog-checkpoint.md
"""

import base64
import re
from dataclasses import dataclass
from typing import Final

from registry.errors import InvalidProof
from registry.proofs.note import Signer, Verifier, from_base64, verified_text

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_ROOT_BYTES: Final = 32
_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The number of events in the log, and the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def sign(self, signer: Signer) -> str:
        """The checkpoint as a signed note."""
        return signer.sign(self.text)


def read_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """The checkpoint of a note that this key signed.

    Raises:
        InvalidProof: the key did not sign it, or it is not a checkpoint of this log.
    """
    lines = verified_text(note, verifier).removesuffix("\n").split("\n")
    if len(lines) < _LINES or not all(lines) or not _SIZE.fullmatch(lines[1]):
        raise InvalidProof("the signed text is not a checkpoint")
    if lines[0] != verifier.name:
        raise InvalidProof(f"the checkpoint is of the log {lines[0]}, not of {verifier.name}")
    root = from_base64(lines[2]) or b""
    if len(root) != _ROOT_BYTES or base64.b64encode(root).decode() != lines[2]:
        raise InvalidProof("the root of the checkpoint is malformed")
    return Checkpoint(lines[0], int(lines[1]), root)
