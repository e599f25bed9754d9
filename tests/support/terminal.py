"""A verb on a pseudo-terminal."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from support.cli import CommandLine

_UNSEEN = ("add-credential", "replace-credential", "whose-key")
PROJECT = Path(__file__).resolve().parents[2]


def type_into_a_terminal(
    cli: CommandLine,
    arguments: list[str],
    answers: Sequence[str | signal.Signals],
    columns: int = 80,
    *,
    early: str = "",
) -> tuple[int, str]:
    """Runs a verb on a terminal of its own, and answers its prompts, also with signals.

    `early` is typed when the program turns the echo off, or else before the first prompt. However
    the verb ends, the terminal shows again what is typed.
    """
    left = list(answers)
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "registry.commands", *arguments],
        stdin=side,
        stdout=side,
        stderr=side,
        env={name: v for name, v in cli.environment.items() if name != "COLUMNS"},
        cwd=PROJECT,
        start_new_session=True,
        preexec_fn=lambda: _make_controlling(side),  # noqa: PLW1509 - no other thread in the child
    )
    os.close(side)
    shown = b""
    deadline = time.monotonic() + 20
    _type_early(main, early, unseen=arguments[0] in _UNSEEN)
    while time.monotonic() < deadline:
        if select.select([main], [], [], 0.1)[0]:
            try:
                chunk = os.read(main, 4096)
            except OSError:  # the other end was closed
                break
            if not chunk:
                break
            shown += chunk
            if left and shown.endswith((b": ", b"[y/N] ")):
                time.sleep(0.05)  # the prompt first turns the echo off and then reads
                _answer(main, process, left)
                shown += b"<answered>"
        elif process.poll() is not None:
            break
    assert termios.tcgetattr(main)[3] & termios.ECHO
    os.close(main)
    return process.wait(timeout=10), shown.decode(errors="replace")


def _type_early(main: int, text: str, *, unseen: bool) -> None:
    for _ in range(1000):
        if not (text and unseen and termios.tcgetattr(main)[3] & termios.ECHO):
            break
        time.sleep(0.01)
    os.write(main, text.encode())


def _answer(main: int, process: subprocess.Popen[bytes], left: list[str | signal.Signals]) -> None:
    answer = left.pop(0)
    if isinstance(answer, signal.Signals):
        _show_what_is_typed(main)  # as a shell does when the program is stopped
        process.send_signal(answer)
        time.sleep(0.2)
        answer = str(left.pop(0)) if left else ""
    os.write(main, answer.encode())


def _show_what_is_typed(main: int) -> None:
    settings = termios.tcgetattr(main)
    settings[3] |= termios.ECHO
    termios.tcsetattr(main, termios.TCSANOW, settings)


def shown_on_a_terminal(cli: CommandLine, *arguments: str, columns: int = 80) -> list[str]:
    """The lines that a verb shows on a terminal of this width, without styles."""
    cli.environment["NO_COLOR"] = "1"
    status, shown = type_into_a_terminal(cli, list(arguments), [], columns)
    assert status == 0, shown
    return shown.replace("\r\n", "\n").split("\n")[:-1]


def _make_controlling(side: int) -> None:
    fcntl.ioctl(side, termios.TIOCSCTTY, 0)


class Shell:
    """A shell on a terminal of its own, as a person has it, with job control."""

    def __init__(self, cli: CommandLine) -> None:
        self._main, side = pty.openpty()
        self.shown = ""
        """What was shown since the last `wait_for`."""
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"],
            stdin=side,
            stdout=side,
            stderr=side,
            env={**cli.environment, "PS1": "ready> ", "TERM": "dumb", "PYTHON": sys.executable},
            cwd=PROJECT,
            start_new_session=True,
            preexec_fn=lambda: _make_controlling(side),  # noqa: PLW1509 - no other thread there
        )
        os.close(side)
        self.wait_for("ready> ")

    def types(self, keys: str) -> None:
        """Types keys; ^C and ^Z as their control characters."""
        os.write(self._main, keys.encode())

    def wait_for(self, text: str) -> str:
        """Waits until the text is shown; returns all that was shown up to its end."""
        deadline = time.monotonic() + 20
        while text not in self.shown:
            assert time.monotonic() < deadline, f"not shown: {text!r}, but {self.shown!r}"
            if select.select([self._main], [], [], 0.1)[0]:
                self.shown += os.read(self._main, 4096).decode(errors="replace")
        seen, _, self.shown = self.shown.partition(text)
        return seen + text

    def close(self) -> None:
        """Closes the terminal, which ends what runs on it."""
        with contextlib.suppress(OSError):  # it is closed
            os.close(self._main)
        self._process.wait(timeout=20)
