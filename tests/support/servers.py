"""A PostgreSQL server for the tests: from the embedded server's packages, or the machine's."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.database.embedded import EmbeddedServer
from registry.database.programs import embedded_programs


@contextlib.contextmanager
def running_server(major: int | None, place: str | None) -> Iterator[str]:
    """The address of a temporary server in a new folder at this place.

    Without a version it is the newest one of the embedded server.
    """
    folder = Path(tempfile.mkdtemp(prefix="account-registry-tests-", dir=place))
    try:
        if major is None or major in embedded_programs():
            server = EmbeddedServer(folder, major=major)
            try:
                yield server.ensure_running()
            finally:
                server.stop()
        else:
            with _of_the_machine(Path(f"/usr/lib/postgresql/{major}/bin"), folder) as address:
                yield address
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _of_the_machine(programs: Path, folder: Path) -> Iterator[str]:
    if not (programs / "initdb").exists():
        raise pytest.UsageError(
            f"there is no PostgreSQL in {programs}; run scripts/install-servers"
        )
    # PostgreSQL refuses to run as root.
    user = "nobody" if os.getuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    data = folder / "data"

    def run(program: str, *arguments: str | Path) -> None:
        command = [programs / program, "-D", data, *arguments]
        subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
    run("pg_ctl", "-w", "-l", folder / "log", "-o", f"-c listen_addresses='' -k {folder}", "start")
    try:
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "stop")
