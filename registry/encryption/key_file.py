"""Key files: owned by this user or root, closed to other users, and never overwritten."""

import os
import stat
from pathlib import Path

from registry.encryption.secret import Secret
from registry.errors import RegistryError
from registry.machine import belongs_to_another, without_waiting, write_new

_MAX_BYTES = 65536


def read_key_file(
    path: Path, *, missing: type[RegistryError], malformed: type[RegistryError], hint: str
) -> Secret:
    """The text of a key file.

    Raises:
        missing: the file cannot be read; with this hint.
        malformed: it is not a regular file, or another user owns it or has access to it.
    """
    try:
        with open(path, encoding="utf-8", errors="replace", opener=without_waiting) as file:
            status = os.fstat(file.fileno())
            mode = status.st_mode
            if not stat.S_ISREG(mode):
                raise malformed(f"the key file {path} is not a regular file", hint=hint)
            if belongs_to_another(status):
                raise malformed(
                    f"the key file {path} belongs to another user (uid {status.st_uid})",
                    hint=f"That user knows the key and can change it. If it is yours: chown "
                    f"{os.geteuid()} {path}",
                )
            if stat.S_IMODE(mode) & 0o077:
                raise malformed(
                    f"the key file {path} can be read by others (mode {stat.S_IMODE(mode):04o})",
                    hint=f"Run: chmod 600 {path}",
                )
            return Secret(file.read(_MAX_BYTES).strip())
    except OSError as error:
        raise missing(f"the key file {path} cannot be read: {error.strerror}", hint=hint) from None


def write_key_file(path: Path, key: Secret) -> None:
    """Writes a new key file with mode 0600 and makes sure that it is on disk.

    Raises:
        FileExistsError: there is a file already; it is never overwritten.
        OSError: it cannot be written; no partly written file remains.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_new(path, key.reveal() + "\n", mode=0o600)
