"""Detects a second process of the same user and machine that uses the same key.

Only for keys that break when two processes use them. A process locks a file named after the key
for its lifetime, whichever account and credential holds it. The operating system releases the lock
with the process, so a restarted or killed process causes no warning. Other users, containers and
data folders are not seen, nor is a program that closes its inherited files. So the absence of a
warning does not prove that there is no second process.
"""

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from registry.catalog.catalog import built_in_exchanges
from registry.catalog.specification import is_key
from registry.encryption.fingerprint import normal_form
from registry.machine import data_folder
from registry.services.releases.releases import ReleasedCredential

_guard: Final = threading.Lock()
_held: Final[dict[Path, int]] = {}
"""Path -> the descriptor that this process keeps open for its lifetime."""


def warnings(credentials: Iterable[ReleasedCredential], *, across_exec: bool = False) -> list[str]:
    """Warns of the keys that another process holds; from now on this process holds them too.

    With `across_exec` the program that replaces this process continues to hold them.
    """
    found = []
    for credential in credentials:
        if credential.resolution.breaks_when_used_twice:
            file = data_folder() / "in-use" / _name(credential)
            with _guard, contextlib.suppress(OSError):  # a user without a folder gets no warning
                if _hold(file, across_exec=across_exec):
                    found.append(credential.resolution.used_by_another_process(str(file)))
    return found


def _name(credential: ReleasedCredential) -> str:
    """A digest of the key. Exchanges make keys by chance, so none can be guessed by it."""
    exchange = credential.resolution.exchange or ""
    spec = built_in_exchanges().get(exchange)
    keys = [
        normal_form(name, value.reveal())
        for name, value in sorted(credential.fields.items())
        if is_key(spec, name)
    ]
    return hashlib.sha256("|".join([exchange, *keys]).encode()).hexdigest()[:32]


def _hold(file: Path, *, across_exec: bool) -> bool:
    """Locks the file; returns whether another process held it already."""
    if file in _held:
        return False
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.set_inheritable(descriptor, across_exec)
    _held[file] = descriptor
    alone = _locked(descriptor, fcntl.LOCK_EX)
    # Shared from here on: a later process must detect this one and all earlier ones.
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
