"""Runs the worked examples of the documentation, and writes their output into the pages.

bash runs each line `$ command` of a `console` block (with its continuation lines `> …`), in the
order of the page. Each page has a folder and a database of its own. Preparations that a reader
need not see are in a comment of the page, `<!-- setup …shell… -->`.

`python scripts/examples/pages.py` rewrites the pages. The test compares them, after replacing
everything that differs between runs (ids, times, digests, sizes).
"""

import contextlib
import fcntl
import os
import pty
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from forked import forked_program
from psycopg.conninfo import make_conninfo

from registry.database.embedded import DATABASE, EmbeddedServer
from registry.database.migrator import Migrator
from registry.database.programs import embedded_programs

PROJECT = Path(__file__).resolve().parents[2]

_PART = re.compile(
    r"^```console\n(?P<examples>.*?)^```$|^<!-- setup\n(?P<setup>.*?)^-->$",
    re.MULTILINE | re.DOTALL,
)
_COMMAND = re.compile(r"^\$ (.*(?:\n> .*)*)", re.MULTILINE)
_BETWEEN = "\x1e"
# On a slow machine, verbs print their progress every five seconds.
_PROGRESS = re.compile(r"^\w+: [\d,]+ of [\d,]+ \w+, [\d,]+ \w+/s\n", re.MULTILINE)
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"), "2026-11-24 12:00:00Z"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "00000000-0000-…"),
    (re.compile(r"#[0-9a-f]{8}"), "#00000000"),
    (re.compile(r"master key [0-9a-f]{12}"), "master key 000000000000"),
    (re.compile(r"(root|root is) [0-9a-f]{64}"), "root 0"),
    (re.compile(r"\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}"), "+key"),
    (re.compile(r"^[A-Za-z0-9+/]{43}=$", re.MULTILINE), "root"),
    (re.compile(r"^(— \S+) [A-Za-z0-9+/=]{90,}$", re.MULTILINE), r"\1 signature"),
    (re.compile(r"\b\d+\.\d+ s\b"), "0.0 s"),
    (re.compile(r"\b[\d,]+(/s\)| credentials/s| bytes| triggers)"), r"1\1"),
)


@dataclass(frozen=True, slots=True)
class Desk:
    """The common environment of all pages: a server, the program, and the folder of both."""

    folder: Path
    server: EmbeddedServer

    def variables(self, home: Path) -> dict[str, str]:
        """The environment variables of a page's examples."""
        programs = (
            self.folder / "bin",
            Path(sys.executable).parent,
            max(embedded_programs().items())[1],
        )
        return {
            "PATH": ":".join([*map(str, programs), "/usr/local/bin", "/usr/bin", "/bin"]),
            "PYTHONPATH": ":".join(
                str(PROJECT / place) for place in ("", "tests", "scripts/examples")
            ),
            "HOME": str(home),
            "REGISTRY_DATA_DIR": str(self.folder / "data"),
            "REGISTRY_CONFIG_DIR": str(home / "config"),
            "REGISTRY_ACTOR": "ann@desk",
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        }

    def shown(self, text: str, home: Path) -> str:
        """A text with this machine's paths and host replaced by a reader's."""
        text = re.sub(rf"\b{re.escape(socket.gethostname())}\b", "desk", text)
        for folder, name in (
            (home / "config", "~/.config/account-registry"),
            (self.folder / "data", "~/.local/share/account-registry"),
            (home, "~"),
        ):
            text = text.replace(str(folder), name)
        return text


@contextmanager
def desk() -> Iterator[Desk]:
    """A server and a program in a temporary folder, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="examples-"))
    folder.chmod(0o711)  # as root the server runs as another user
    made = Desk(folder, EmbeddedServer(folder / "data"))
    try:
        made.server.ensure_running()
        (folder / "bin").mkdir()
        with forked_program(folder / "bin" / "account-registry", made.variables(folder)):
            yield made
    finally:
        made.server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def pages() -> list[Path]:
    """All pages with worked examples."""
    found = [PROJECT / "README.md", *sorted(PROJECT.glob("docs/**/*.md"))]
    return [page for page in found if "\n```console\n" in page.read_text()]


def refreshed(page: str, at: Desk) -> str:
    """The page with the current output of its examples."""
    _new_database(at.server)
    home = Path(tempfile.mkdtemp(prefix="home-", dir=at.folder))
    _copy_scripts(home)
    commands = [command for part in _PART.finditer(page) for command in _commands(part)]
    printed = iter(_run(commands, at.variables(home), home))

    def again(part: re.Match[str]) -> str:
        answers = [(command, next(printed)) for command in _commands(part)]
        if part["setup"] is not None:
            return part[0]
        told = ("$ " + c.replace("\n", "\n> ") + "\n" + answer for c, answer in answers)
        return "```console\n" + "".join(told) + "```"

    return at.shown(_PART.sub(again, page), home)


def _commands(part: re.Match[str]) -> list[str]:
    if part["setup"] is not None:
        return [part["setup"]]
    return [found.replace("\n> ", "\n") for found in _COMMAND.findall(part["examples"])]


def _new_database(server: EmbeddedServer) -> None:
    address = server.ensure_running()
    with psycopg.connect(make_conninfo(address, dbname="postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0".encode())
    with psycopg.connect(address, autocommit=True) as connection:
        Migrator(connection).up()


def _copy_scripts(home: Path) -> None:
    """Creates the scripts that the pages call, without the installation step of the real ones."""
    (home / "scripts").mkdir()
    for name, command in (
        ("schema-down", 'account-registry schema-down "$@"'),
        ("restore-drill", 'account-registry restore-drill "$@"'),
    ):
        script = home / "scripts" / name
        script.write_text(f"#!/bin/sh\nexec {command}\n")
        script.chmod(0o755)


def _run(commands: list[str], variables: dict[str, str], home: Path) -> list[str]:
    """The output of each command; all run in one shell, so variables stay set."""
    between = f"between() {{ local status=$?; printf '\\{ord(_BETWEEN):o}'; return $status; }}\n"
    script = home / ".examples.sh"
    script.write_text(between + "".join(f"between\n{command}\n" for command in commands))
    printed = _on_a_terminal(["bash", str(script)], variables, home)
    answers = _PROGRESS.sub("", printed).split(_BETWEEN)[1:]
    if len(answers) != len(commands):
        raise SystemExit(f"the shell stopped after {len(answers)} commands:\n{printed[-2000:]}")
    return [answer + "\n" * (answer != "" and answer[-1] != "\n") for answer in answers]


def _on_a_terminal(command: list[str], variables: dict[str, str], home: Path) -> str:
    """What a command prints on a plain terminal of 80 columns, where nobody can type."""
    main, side = pty.openpty()
    tty.setraw(side)  # line ends as they are
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    process = subprocess.Popen(
        command,
        env=variables,
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=side,
        stderr=side,
        umask=0o077,  # files of secrets are for nobody else
    )
    os.close(side)
    printed = b""
    with contextlib.suppress(OSError):  # the last process has closed its end
        while chunk := os.read(main, 65536):
            printed += chunk
    os.close(main)
    process.wait()
    return printed.decode()


def normalised(page: str) -> str:
    """The page with fixed values for everything that differs between runs, column widths too."""
    for pattern, text in _VARYING:
        page = pattern.sub(text, page)
    return re.sub(r" {2,}", "  ", page)


def main() -> None:
    """Rewrites the pages that the arguments name, or all, if their output has changed."""
    with desk() as at:
        for page in [Path(name).resolve() for name in sys.argv[1:]] or pages():
            before = page.read_text()
            today = refreshed(before, at)
            changed = normalised(today) != normalised(before)
            if changed:
                page.write_text(today)
            print(f"{'Wrote' if changed else 'Still true:'} {page.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
