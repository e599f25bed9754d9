"""A program under `run --watch`, and what it and its supervisor say."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from support.cli import PROJECT, CommandLine

PATIENCE = 20.0
"""Seconds to wait for what should come at once: a limit for failures only."""

SAYS = """
import os, signal, sys, time
def say(*words): os.write(1, (" ".join(map(str, words)) + "\\n").encode())
def taken(number, frame):
    say("got", signal.Signals(number).name)
    if {ends} and number == signal.SIGTERM:
        sys.exit({status})
for name in "HUP INT QUIT TERM USR1 USR2 WINCH CONT".split():
    signal.signal(getattr(signal, "SIG" + name), taken)
say("up", os.getpid(), os.getppid(), os.environ.get("LIGHTER_API_KEY_INDEX", "-"),
    os.environ.get("BACKPACK_PUBLIC_KEY", "-"))
while True:
    time.sleep(0.05)
"""


def saying(*, ends: bool = True, status: int = 0) -> list[str]:
    """A program that says its keys and each signal that it gets."""
    return [sys.executable, "-c", SAYS.format(ends=ends, status=status)]


class Supervised:
    """The supervisor as a process, and the lines of both."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said: list[str] = []
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))

    def wait_for(self, text: str) -> str:
        """The next line that contains the text."""
        until = time.monotonic() + PATIENCE
        with contextlib.suppress(queue.Empty):
            while True:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
                self.said.append(line)
                if text in line:
                    return line
        raise AssertionError(f"nobody said {text!r}: {self.said}")

    def up(self) -> "Up":
        """What the program says at its next start."""
        _, pid, parent, *keys = self.wait_for("up ").split()
        assert int(parent) == self.process.pid
        return Up(int(pid), keys)

    def end(self) -> int:
        """The exit code, or the negative number of the signal; all lines are in `said`."""
        status = self.process.wait(PATIENCE)
        with contextlib.suppress(queue.Empty):
            while True:
                self.said.append(self._lines.get(timeout=0.1))
        return status

    def children(self) -> list[int]:
        """The processes that the supervisor has now."""
        told = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in told.split()]


class Up:
    """A start of the program."""

    def __init__(self, pid: int, keys: list[str]) -> None:
        self.pid = pid
        self.keys = keys
        """Of Lighter (its index) and of Backpack."""


@contextlib.contextmanager
def supervised(
    cli: CommandLine,
    *options: str,
    program: list[str] | None = None,
    account: str = "bot",
    prefix: tuple[str, ...] = (),
    **environment: Any,
) -> Iterator[Supervised]:
    """Runs a program under `run --watch` until the end of the block."""
    quiet = () if "--quiet" in options else ("--quiet", "0s")
    process = subprocess.Popen(
        [
            *prefix,
            *(sys.executable, "-m", "registry.commands", "run", "--watch", "--account", account),
            *(*quiet, *options, "--", *(program or saying())),
        ],
        env={**cli.environment, **environment},
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    watched = Supervised(process)
    try:
        yield watched
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        watched.reader.join()


def replaced(cli: CommandLine, exchange: str, account: str = "bot", **fields: object) -> None:
    """Replaces a credential."""
    given = cli.store(account, exchange, "--cascade", verb="replace-credential", **fields)
    assert given.exit_status == 0, given.err


def eventually(holds: Callable[[], Any], what: str) -> Any:
    """Waits until something holds; returns its value."""
    until = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < until, what
        time.sleep(0.02)
    return found


def releases(cli: CommandLine) -> list[dict[str, Any]]:
    """The releases in the log, oldest first."""
    told = cli("history", "--type", "CredentialReleased", "--json")
    return sorted(json.loads(told.out)["data"], key=lambda event: event["position"])
