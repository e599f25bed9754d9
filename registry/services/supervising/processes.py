"""Processes that the supervisor forks: each ends with it, and talks with it over a channel."""

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

from registry.errors import ExitStatus, ProcessLimit, Refused

_PR_SET_PDEATHSIG: Final = 1
"""prctl(2)"""
_AT_ONCE: Final = 65_536


class Channel:
    """One end of a connection between two of our processes: messages, each one line of JSON."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._rest = b""

    def say(self, **message: Any) -> None:
        """Sends a message. A listener that has gone is told by `wait`, and by its parent."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._end.sendall(json.dumps(message).encode() + b"\n")

    def heard(self) -> list[dict[str, Any]]:
        """The messages that have arrived; does not wait."""
        while (chunk := self._received(socket.MSG_DONTWAIT)) is not None and chunk:
            self._rest += chunk
        *lines, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in lines]

    def wait(self) -> bool:
        """Waits for a message; returns whether one came, or the other end is closed."""
        return bool(self._received(0))

    def close(self) -> None:
        """Closes this end."""
        self._end.close()

    def _received(self, flags: int) -> bytes | None:
        try:
            return self._end.recv(_AT_ONCE, flags)
        except BlockingIOError:
            return None
        except OSError:
            return b""


class Supervisor(Channel):
    """The supervisor, as its child sees it."""

    def __init__(self, end: socket.socket, pid: int) -> None:
        super().__init__(end)
        self._pid = pid

    @property
    def is_there(self) -> bool:
        """Whether it lives."""
        return os.getppid() == self._pid

    def say(self, **message: Any) -> None:
        """Sends a message, and wakes it: it waits for signals only."""
        super().say(**message)
        if self.is_there:
            os.kill(self._pid, signal.SIGCHLD)


class Child(Channel):
    """A process that this one has forked."""

    def __init__(self, pid: int, end: socket.socket) -> None:
        super().__init__(end)
        self.pid = pid
        self.has_ended = False
        """Whether its status was taken: from then on its number may be another process's."""

    def signal(self, number: int) -> None:
        """Sends it a signal, if it lives.

        Raises:
            Refused: it runs as another user by now.
        """
        try:
            if not self.has_ended:
                os.kill(self.pid, number)
        except PermissionError:
            raise Refused(
                f"process {self.pid} runs as another user now, and cannot be ended from here",
                hint="Let that user run the supervisor, rather than the supervisor sudo.",
            ) from None


def forked(work: Callable[[Supervisor], int]) -> Child:
    """Forks a process that does the work, and ends with the exit code that the work returns.

    Where this process ends first, the system ends that one (Linux), also if it has become another
    program by then. Its own children go on.

    Raises:
        ProcessLimit: there can be no other process, or no channel to it.
    """
    here = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        ours, theirs = socket.socketpair()
        pid = os.fork()
    except OSError as error:
        raise ProcessLimit(f"no process can be started: {error.strerror}") from None
    if pid:
        theirs.close()
        return Child(pid, ours)
    status: int = ExitStatus.FAILED
    try:
        ours.close()
        supervisor = Supervisor(theirs, here)
        _end_with_the_parent()
        if supervisor.is_there:  # it may have ended before the system was asked
            status = work(supervisor)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _end_with_the_parent() -> None:
    # SIGKILL, which no program can keep off: without a supervisor nothing would stop it when its
    # keys are. The system means the thread that forked, and there is one only.
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
