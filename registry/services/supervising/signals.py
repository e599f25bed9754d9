"""Signals as messages: they wait until the supervisor takes them, one at a time.

Between taking two signals nothing interrupts the supervisor, so no state is ever half changed.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_BY_THE_KERNEL: Final = 0x80
"""SI_KERNEL of sigaction(2): a signal that the terminal sent, to its whole foreground group."""
_OF_A_TERMINAL: Final = frozenset(
    {signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGHUP, signal.SIGWINCH}
)
_NOT_TAKEN: Final = frozenset(
    getattr(signal, name)
    for name in (
        *("SIGKILL", "SIGSTOP"),  # nobody can
        *(
            "SIGSEGV",
            "SIGBUS",
            "SIGFPE",
            "SIGILL",
            "SIGABRT",
            "SIGTRAP",
            "SIGSYS",
        ),  # our own faults
        *("SIGPIPE", "SIGXFSZ", "SIGXCPU"),
        *("SIGTTIN", "SIGTTOU"),  # sent to the whole group: they stop this process too
    )
    if hasattr(signal, name)
)
_TAKEN: Final = frozenset(signal.valid_signals()) - _NOT_TAKEN
_LOOK_AGAIN: Final = 0.05

STOPS_OF_JOBS: Final = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
"""Signals by which a shell's job is stopped; SIGSTOP is more likely a debugger's."""


@dataclass(frozen=True, slots=True)
class Received:
    """A signal, and where it comes from."""

    number: int
    sender: int
    """The process that sent it; 0 if that is not known."""
    from_terminal: bool
    """Whether the terminal sent it, and to the program too."""

    @property
    def ends(self) -> bool:
        """Whether its sender wants an end. SIGHUP does if the terminal is gone."""
        hung_up = self.number == signal.SIGHUP and self.from_terminal
        return hung_up or self.number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Signals:
    """The signals of this process, from now on until `as_before`."""

    def __init__(self) -> None:
        # An ignored SIGCHLD would make the system drop how a child ended.
        self._child = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, _TAKEN)

    def next(self, seconds: float) -> Received | None:
        """Waits for the next signal; None when the time is up."""
        if hasattr(signal, "sigtimedwait"):
            found = signal.sigtimedwait(_TAKEN, seconds)
            if found is None:
                return None
            sent_by_it = found.si_code == _BY_THE_KERNEL and found.si_signo in _OF_A_TERMINAL
            return Received(found.si_signo, found.si_pid, sent_by_it)
        return _next_by_looking(seconds)

    def as_before(self) -> None:
        """Signals take effect again, as they did before; for a forked process too."""
        signal.signal(signal.SIGCHLD, self._child)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


def _next_by_looking(seconds: float) -> Received | None:
    """For systems without sigtimedwait(2), such as macOS, which do not tell the sender either."""
    until = time.monotonic() + seconds
    while not (waiting := signal.sigpending() & _TAKEN):
        if time.monotonic() >= until:
            return None
        time.sleep(min(_LOOK_AGAIN, max(0, until - time.monotonic())))
    number = signal.sigwait(waiting)
    return Received(number, 0, number in _OF_A_TERMINAL and _in_the_foreground())


def _in_the_foreground() -> bool:
    with contextlib.suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
        try:
            return os.tcgetpgrp(terminal) == os.getpgrp()
        finally:
            os.close(terminal)
    return False


def stop_like(number: int) -> None:
    """Stops this process, as a shell's job, until it is continued."""
    os.kill(os.getpid(), number)
    with _let_through(number):
        pass


def end_like(number: int) -> int:
    """Ends this process by the signal. If nothing ends it so, it returns the usual exit code."""
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    with _let_through(number):
        pass
    return 128 + number  # the first process of a container has no end by a signal


@contextlib.contextmanager
def _let_through(number: int) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
