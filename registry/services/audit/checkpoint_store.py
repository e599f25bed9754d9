"""The files of the checkpoint key, and of the last signed checkpoint.

Three files in one folder: the private key (mode 0600; or another source gives it), the public
key for auditors, and the last checkpoint. They are outside the database on purpose: an attacker
who rewrites the log must not be able to rewrite them too.
"""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from registry.encryption.key_file import write_key_file
from registry.encryption.key_source import CHECKPOINT_KEY
from registry.errors import CheckpointKeyMissing, Conflict, InvalidInput
from registry.hints import Hint, Option
from registry.machine import belongs_to_another, text_of, text_of_file, without_waiting, write_new
from registry.proofs.note import Signer, Verifier

_MAX_BYTES = 65536


class CheckpointStore:
    """The files of one key: by `REGISTRY_CHECKPOINT_KEY_FILE`, or in the default folder."""

    def __init__(self) -> None:
        self.key_file = CHECKPOINT_KEY.file
        self.public_file = self.key_file.with_suffix(".pub")
        self.last_file = self.key_file.with_suffix(".last")

    def generate(self, origin: str) -> Verifier:
        """Generates a key pair for the log of this name, and writes both files.

        Raises:
            CheckpointKeyMalformed: the name is not valid for a log.
            Conflict: a key file exists already.
            InvalidInput: a file cannot be written.
        """
        signer = Signer.generate(origin)
        try:
            for file in (self.key_file, self.public_file):
                _refuse_existing(file)
            write_key_file(self.key_file, signer.to_text())
            self._write_public(signer.verifier)
        except FileExistsError as error:
            raise Conflict(
                f"{error.filename} exists already, and a key file is never overwritten",
                hint="Checkpoints of the past are verified with the key in it.",
            ) from None
        except OSError as error:
            raise InvalidInput(f"cannot write {error.filename}: {error.strerror}") from None
        return signer.verifier

    def _write_public(self, verifier: Verifier) -> None:
        try:
            write_new(self.public_file, f"{verifier}\n", mode=0o644)
        except OSError:
            # A lone private key would block the next attempt, and nobody has used it.
            self.key_file.unlink()
            raise

    def signer(self) -> Signer:
        """The private key.

        Raises:
            CheckpointKeyMissing: there is none.
            CheckpointKeyMalformed: it is not one, others can read its file, or there are two.
        """
        return Signer.parse(CHECKPOINT_KEY.read())

    def verifier(self, given: str | None = None) -> Verifier:
        """The public key: the given one (the key itself or its file), or the stored one.

        Raises:
            CheckpointKeyMissing: there is none.
            CheckpointKeyMalformed: it is not one.
        """
        if given is not None and "+" in given and not is_there(Path(given)):
            return Verifier.parse(given)
        path = self.public_file if given is None else Path(given)
        try:
            if given is None:
                return Verifier.parse(_text_of_own(path))
            return Verifier.parse(text_of_file(path, limit=_MAX_BYTES))
        except (OSError, InvalidInput):
            raise CheckpointKeyMissing(
                f"there is no public key in {path}",
                hint=Hint(
                    "Give it with ", Option("key", ...), "; generate-checkpoint-key made it."
                ),
            ) from None

    def last(self) -> str | None:
        """The last signed note.

        Raises:
            InvalidInput: it cannot be read.
        """
        try:
            return _text_of_own(self.last_file)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InvalidInput(f"cannot read {self.last_file}: {error.strerror}") from None

    def remember(self, note: str) -> None:
        """Stores a note as the last one; it is on disk on return.

        Raises:
            InvalidInput: it cannot be written.
        """
        fresh = self.last_file.with_suffix(".new")
        try:
            # Left by a killed process, or planted as a link to redirect the write.
            fresh.unlink(missing_ok=True)
            write_new(fresh, note, mode=0o644)
            fresh.replace(self.last_file)
        except OSError as error:
            raise InvalidInput(f"cannot write {fresh}: {error.strerror}") from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lets only one process at a time sign with a key of this folder.

        Raises:
            InvalidInput: there is no such folder, and it cannot be made.
        """
        folder = self.last_file.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise InvalidInput(
                f"the last checkpoint cannot be kept in {folder}: {error.strerror}"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def is_there(path: Path) -> bool:
    """Whether the file exists; False for a name that no file can have."""
    try:
        return path.exists()
    except OSError:
        return False


def append_note(path: Path, note: str) -> None:
    """Appends a note to a file of notes, completely or not at all; it is on disk on return.

    Raises:
        InvalidInput: the file cannot be written.
    """
    try:
        with path.open("ab", buffering=0) as file:
            before = file.tell()
            text = (("\n" if before else "") + note).encode()
            try:
                _write_all(file, text)
            except OSError:
                # After a partial note, further notes could be neither read nor added.
                file.truncate(before)
                raise
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from None


def _text_of_own(path: Path) -> str:
    """Reads a file of the store; it must be regular and not belong to another user."""
    with open(path, "rb", opener=without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput(f"{path} is not a regular file")
        if belongs_to_another(status):
            raise InvalidInput(f"{path} belongs to another user (uid {status.st_uid})")
        return text_of(file.read(_MAX_BYTES + 1), str(path), limit=_MAX_BYTES)


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _write_all(file: FileIO, text: bytes) -> None:
    if file.write(text) < len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file.fileno())
