"""Where the master key comes from: the environment, or a file that only its owner reads."""

import os
import stat
from pathlib import Path

from registry.database.target import config_folder
from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.errors import MasterKeyMalformed, MasterKeyMissing

VARIABLE = "CREDENTIAL_ENCRYPTION_KEY"
FILE_VARIABLE = "CREDENTIAL_ENCRYPTION_KEY_FILE"


def default_key_file() -> Path:
    """The file that is used when the environment names no key."""
    return config_folder() / "master.key"


def load_keyring() -> MasterKeyring:
    """The keys of the environment, of the file it names, or of the default file.

    Raises:
        MasterKeyMissing: there is none. None is ever made in silence.
        MasterKeyMalformed: it is not a Fernet key, or others can read its file.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if text:
        return MasterKeyring.parse(Secret(text))
    named = os.environ.get(FILE_VARIABLE, "").strip()
    path = Path(named) if named else default_key_file()
    if not named and not path.exists():
        raise MasterKeyMissing(
            "no master key is configured",
            hint=f"Set {VARIABLE} or {FILE_VARIABLE}, or make a key once with: "
            "account-registry generate-key --save",
        )
    return MasterKeyring.parse(read_key_file(path))


def read_key_file(path: Path) -> Secret:
    """The text of a key file.

    Raises:
        MasterKeyMissing: the file cannot be read.
        MasterKeyMalformed: others than its owner can read or change it.
    """
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o077:
                raise MasterKeyMalformed(
                    f"the key file {path} can be read by others (mode {stat.S_IMODE(mode):04o})",
                    hint=f"Run: chmod 600 {path}",
                )
            return Secret(file.read(65536).strip())
    except OSError as error:
        raise MasterKeyMissing(
            f"the key file {path} cannot be read: {error.strerror}",
            hint=f"Check {FILE_VARIABLE}.",
        ) from None


def write_key_file(path: Path, key: Secret) -> None:
    """Writes a new key file with mode 0600 and makes sure that it is on disk.

    Raises:
        FileExistsError: there is a file already; it is never overwritten.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key.reveal() + "\n")
        file.flush()
        os.fsync(file.fileno())
