"""A command that takes messages on its standard input: mail, a chat, a pager."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Final

from registry.services.releases.program_environment import Wanted

_GRACE: Final = 2.0


class Program:
    """The user's own command, without a shell. It gets the message as JSON."""

    def __init__(self, words: Sequence[str], seconds: float, pass_env: Sequence[str] = ()) -> None:
        """`pass_env` names variables that it gets beside those of the system.

        Raises:
            InvalidInput: one is no name of a variable.
        """
        self._words = list(words)
        self._seconds = seconds
        self._wanted = Wanted.of(pass_env)
        self._running: subprocess.Popen[bytes] | None = None

    def __str__(self) -> str:
        return f"command {os.path.basename(self._words[0])}"  # noqa: PTH119

    def send(self, _id: str, body: bytes) -> str | None:
        """Runs the command; returns what went wrong, or None if it ended with exit code 0.

        What it prints is dropped; its standard error is ours. When its time is over, it is ended
        with all that it has started, unless that has left its group.
        """
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own command
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                env=self._wanted.pick().variables,
            )
        except OSError as error:
            return f"it cannot be started: {error.strerror}"
        self._running = process
        try:
            process.communicate(body, timeout=self._seconds)
        except subprocess.TimeoutExpired:
            self._end(process)
            return f"it did not end within {self._seconds:g} seconds"
        finally:
            self._running = None
        status = process.returncode
        if status == 0:
            return None
        return f"exit code {status}" if status > 0 else f"signal {-status}"

    def cancel(self) -> None:
        """Ends the command, if it runs."""
        if (process := self._running) is not None:
            _signal(process, signal.SIGKILL)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        _signal(process, signal.SIGKILL)
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
