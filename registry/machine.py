"""This machine: who runs the program where, its folders, and how files are read and written."""

import os
from pathlib import Path

import platformdirs

from registry.errors import InvalidInput
from registry.shown import secret_parts, shown

APPLICATION = "account-registry"


def host() -> str:
    """This machine's name."""
    import socket

    return socket.gethostname()


def user_at_host() -> str:
    """The operating system's user at this host."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        user = f"uid{os.getuid()}"
    return f"{user}@{host()}"


def data_folder() -> Path:
    """Where the embedded database lives: `REGISTRY_DATA_DIR`, or the user's data folder."""
    named = path_of_variable("REGISTRY_DATA_DIR")
    return Path(platformdirs.user_data_path(APPLICATION)) if named is None else named


def config_folder() -> Path:
    """Where a key file is looked for: `REGISTRY_CONFIG_DIR`, or the user's configuration folder."""
    named = path_of_variable("REGISTRY_CONFIG_DIR")
    return Path(platformdirs.user_config_path(APPLICATION)) if named is None else named


def path_of_variable(variable: str) -> Path | None:
    """The path that a variable names, if it does.

    Raises:
        InvalidInput: see `refuse_secret_as_path`.
    """
    text = os.environ.get(variable, "").strip()
    refuse_secret_as_path(text, variable)
    return Path(text) if text else None


def refuse_secret_as_path(text: str, what: str) -> None:
    """Refuses a secret where a path belongs: something of such a name would be made, and be told.

    Raises:
        InvalidInput: it could be a secret.
    """
    if secret_parts(text):
        raise InvalidInput(
            f"{what} takes a path, and what it was given could be a secret (it is not shown)",
            hint="If it is the name of a file or folder, say where it is: ./NAME",
        )


def belongs_to_another(status: os.stat_result) -> bool:
    """Whether it is neither this user's nor root's: its owner can change it at any time."""
    return status.st_uid not in (0, os.geteuid())


def without_waiting(path: str, flags: int) -> int:
    """An opener that does not wait until somebody writes, if the file is a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def write_new(path: Path, text: str, *, mode: int) -> None:
    """Writes a new file; it is on disk when this returns.

    Raises:
        FileExistsError: there is something already, be it a link; nothing is overwritten.
        OSError: it cannot be written; nothing is left behind that would be in the way.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        error.filename = str(path)  # which what fails after opening does not know
        raise


def text_of_file(path: Path, *, limit: int) -> str:
    """A UTF-8 text out of a file, read up to a limit: what is named may be an endless device.

    Raises:
        InvalidInput: it cannot be read, is larger, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise InvalidInput(f"cannot read {shown(path)}: {error.strerror}") from None
    return text_of(raw, str(path), limit=limit)


def text_of(raw: bytes, where: str, *, limit: int) -> str:
    """Decodes bytes of which at most `limit + 1` were read.

    Raises:
        InvalidInput: it is larger, or is not UTF-8.
    """
    if len(raw) > limit:
        raise InvalidInput(f"{where} is larger than such a file can be ({limit} bytes)")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{where} is not UTF-8 text") from None
