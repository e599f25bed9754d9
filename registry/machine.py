"""This machine: its user and name, the program's folders, and reading and writing of files."""

import os
import stat
import sys
from pathlib import Path
from typing import Final, Literal

from registry.errors import InvalidInput
from registry.shown import secret_parts, shown

APPLICATION = "account-registry"
_PR_SET_DUMPABLE: Final = 4
"""prctl(2)"""
_MAX_CREDENTIAL = 65_536


def host() -> str:
    """This machine's name."""
    import socket

    return socket.gethostname()


def user_at_host() -> str:
    """The operating system's user and this host, as `user@host`."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        user = f"uid{os.getuid()}"
    return f"{user}@{host()}"


def data_folder() -> Path:
    """The folder of the embedded database: `REGISTRY_DATA_DIR`, or the user's data folder."""
    named = path_of_variable("REGISTRY_DATA_DIR")
    return _users_folder("data") if named is None else named


def config_folder() -> Path:
    """The folder of key files: `REGISTRY_CONFIG_DIR`, or the user's configuration folder."""
    named = path_of_variable("REGISTRY_CONFIG_DIR")
    return _users_folder("config") if named is None else named


def _users_folder(kind: Literal["data", "config"]) -> Path:
    import platformdirs

    own = platformdirs.PlatformDirs(APPLICATION)
    return own.user_data_path if kind == "data" else own.user_config_path


def path_of_variable(variable: str) -> Path | None:
    """The path in an environment variable; None if the variable is unset or blank.

    Raises:
        InvalidInput: see `refuse_secret_as_path`.
    """
    text = os.environ.get(variable, "").strip()
    refuse_secret_as_path(text, variable)
    return Path(text) if text else None


def refuse_secret_as_path(text: str, what: str) -> None:
    """Refuses a secret in a path's place: a file of that name would be created and reported.

    Raises:
        InvalidInput: it could be a secret.
    """
    if secret_parts(text):
        raise InvalidInput(
            f"{what} takes a path, and what it was given could be a secret (it is not shown)",
            hint="If it is the name of a file or folder, say where it is: ./NAME",
        )


def unit_credential(name: str) -> str | None:
    """The text of a credential that systemd passed to this unit (`LoadCredential=`), or None.

    Raises:
        InvalidInput: it cannot be read, others own or can read it, or it is no text of that size.
    """
    folder = path_of_variable("CREDENTIALS_DIRECTORY")
    try:
        file = open((folder or Path(os.devnull)) / name, "rb", opener=without_waiting)  # noqa: SIM115
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InvalidInput(
            f"cannot read {name} in CREDENTIALS_DIRECTORY: {error.strerror}"
        ) from None
    with file:
        status = os.fstat(file.fileno())
        # systemd lets the unit's user read root's file by an ACL, which shows as the group's right.
        if (
            not stat.S_ISREG(status.st_mode)
            or belongs_to_another(status)
            or stat.S_IMODE(status.st_mode) & 0o037
        ):
            raise InvalidInput(
                f"{file.name} is not a file of this user or root that others cannot read",
                hint=f"Unset CREDENTIALS_DIRECTORY, or run: chmod 600 {file.name}",
            )
        return text_of(file.read(_MAX_CREDENTIAL + 1), file.name, limit=_MAX_CREDENTIAL).strip()


def belongs_to_another(status: os.stat_result) -> bool:
    """Whether a file is neither this user's nor root's: its owner can change it at any time."""
    return status.st_uid not in (0, os.geteuid())


def without_waiting(path: str, flags: int) -> int:
    """An opener for `open` that does not wait for a pipe's writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def write_new(path: Path, text: str, *, mode: int) -> None:
    """Writes a new file; its content is on disk when this returns.

    Raises:
        FileExistsError: the path exists, even as a symbolic link; nothing is overwritten.
        OSError: it cannot be written; no partly written file remains.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        error.filename = str(path)  # an error after opening does not name the file
        raise


def replace_file(path: Path, text: str, *, mode: int) -> None:
    """Writes a file as a whole or not at all; a regular file of this name is replaced.

    Raises:
        InvalidInput: it cannot be written, or is a link, a device or the like.
    """
    fresh = path.with_name(f".{path.name[:100]}.{os.urandom(4).hex()}.new")
    try:
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            raise InvalidInput(f"cannot write {shown(path)}: it is a link, a folder or a device")
        write_new(fresh, text, mode=mode)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise InvalidInput(f"cannot write {shown(path)}: {error.strerror}") from None


def no_core_dumps(*, nor_debuggers: bool = False) -> None:
    """Keeps what is in memory out of core dumps of this process and of those that it starts.

    `nor_debuggers` also keeps other processes of this user from reading it (Linux only). It ends
    where another program takes this one's place.
    """
    if os.environ.get("REGISTRY_CORE_DUMPS", "").strip() == "allow":
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    # Linux hands dumps to a program (apport, systemd-coredump) whatever the limit is, unless it is
    # one byte: https://github.com/torvalds/linux/blob/v6.12/fs/coredump.c ("aborting core").
    soft = 1 if sys.platform == "linux" and hard else 0
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    if nor_debuggers and sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def text_of_file(path: Path, *, limit: int) -> str:
    """Reads a UTF-8 text from a file, up to a limit: the path may name an endless device.

    Raises:
        InvalidInput: it cannot be read, is larger, or is not UTF-8.
    """
    return text_of(_bytes_of_file(path, limit), str(path), limit=limit)


def bytes_of_input(path: Path, *, limit: int) -> bytes:
    """The bytes of a file, or of standard input for the path `-`; at most `limit + 1`.

    Raises:
        InvalidInput: the file cannot be read.
    """
    if str(path) == "-":
        return sys.stdin.buffer.read(limit + 1)
    return _bytes_of_file(path, limit)


def _bytes_of_file(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise InvalidInput(f"cannot read {shown(path)}: {error.strerror}") from None


def text_of(raw: bytes, where: str, *, limit: int) -> str:
    """Decodes bytes of which at most `limit + 1` were read.

    Raises:
        InvalidInput: there are more bytes than the limit, or they are not UTF-8.
    """
    if len(raw) > limit:
        raise InvalidInput(f"{where} is larger than such a file can be ({limit} bytes)")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{where} is not UTF-8 text") from None
