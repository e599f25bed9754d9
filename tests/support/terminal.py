"""A verb on a pseudo-terminal."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

from support.cli import CommandLine

PROJECT = Path(__file__).resolve().parents[2]


def type_into_a_terminal(
    cli: CommandLine, arguments: list[str], answers: list[str]
) -> tuple[int, str]:
    """Runs a verb on a terminal of its own, and answers its prompts."""
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "registry.commands", *arguments],
        stdin=side,
        stdout=side,
        stderr=side,
        env=cli.environment,
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


def _make_controlling(side: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(side, termios.TIOCSCTTY, 0)
