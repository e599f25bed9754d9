"""A verb on a pseudo-terminal."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from support.cli import CommandLine

PROJECT = Path(__file__).resolve().parents[2]


def type_into_a_terminal(
    cli: CommandLine, arguments: list[str], answers: list[str], columns: int = 80
) -> tuple[int, str]:
    """Runs a verb on a terminal of its own, and answers its prompts."""
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
    while time.monotonic() < deadline:
        if select.select([main], [], [], 0.1)[0]:
            try:
                chunk = os.read(main, 4096)
            except OSError:  # the other end was closed
                break
            if not chunk:
                break
            shown += chunk
            if answers and shown.endswith((b": ", b"[y/N] ")):
                time.sleep(0.05)  # the prompt first turns the echo off and then reads
                os.write(main, answers.pop(0).encode())
                shown += b"<answered>"
        elif process.poll() is not None:
            break
    os.close(main)
    return process.wait(timeout=10), shown.decode(errors="replace")


def shown_on_a_terminal(cli: CommandLine, *arguments: str, columns: int = 80) -> list[str]:
    """The lines that a verb shows on a terminal of this width, without styles."""
    cli.environment["NO_COLOR"] = "1"
    status, shown = type_into_a_terminal(cli, list(arguments), [], columns)
    assert status == 0, shown
    return shown.replace("\r\n", "\n").split("\n")[:-1]


def _make_controlling(side: int) -> None:
    fcntl.ioctl(side, termios.TIOCSCTTY, 0)
