"""Files that only this user and root may own, and that are written whole or not at all."""

import os
from pathlib import Path


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
