"""Notices a second process of the same user on the same machine that trades with the same key.

Only of keys that break when two use them. A process holds a lock on a file that is named for
the key's version for as long as it lives, and the operating system ends the lock with the
process: who was restarted, or killed, is never warned of. Another user, another container and
another data folder are not seen, nor is a program that closes all files it was started with:
no warning does not say that there is no second process.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from registry.machine import data_folder
from registry.services.releases.releases import ReleasedCredential

_guard: Final = threading.Lock()
_held: Final[dict[Path, int]] = {}
"""The files of this process, by path, for as long as it lives."""


def warnings(credentials: Iterable[ReleasedCredential], *, across_exec: bool = False) -> list[str]:
    """Which of these keys another process holds; from now on this one holds them too.

    With `across_exec` the program that takes this process's place goes on holding them.
    """
    found = []
    for credential in credentials:
        if credential.resolution.breaks_when_used_twice:
            file = (
                data_folder()
                / "in-use"
                / f"{credential.resolution.credential_id}.{credential.resolution.version}"
            )
            with _guard, contextlib.suppress(OSError):  # a user without a folder is not warned
                if _hold(file, across_exec=across_exec):
                    found.append(credential.resolution.used_by_another_process(str(file)))
    return found


def _hold(file: Path, *, across_exec: bool) -> bool:
    """Whether another process holds the file already."""
    if file in _held:
        return False
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.set_inheritable(descriptor, across_exec)
    _held[file] = descriptor
    alone = _locked(descriptor, fcntl.LOCK_EX)
    # Shared from here on: who comes next must find this process, and the ones before it.
    if not _locked(descriptor, fcntl.LOCK_SH):
        alone = False
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    return not alone


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
