"""Retries while a server is not ready, within one time limit for each piece of work.

A server that is full, starting, in a failover or read-only may serve in a moment. So a failed
attempt is repeated, with growing random pauses: each of a thousand clients that start at once
gets its turn. One piece of work, such as a command, has one patience, however often it loses
the connection.
"""

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Final, TypeAlias, TypeVar

from registry.errors import DatabaseUnavailable, InvalidInput

Notice: TypeAlias = Callable[[str], None]
"""Receives remarks about the work, such as that it waits for the server."""

VARIABLE: Final = "REGISTRY_CONNECT_WAIT"
_SECONDS: Final = 60.0
_LONGEST: Final = 86_400.0
_SILENCE: Final = 20.0
"""Limit for a server that does not answer at all; the last attempt may take ten seconds."""
_UNTOLD: Final = 2.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_LONGEST_IN_A_CROWD: Final = 15.0
"""A thousand refusals cost a server the time that it needs for its clients."""

APART: Final = random.SystemRandom()
"""Spreads retries and looks. The sequence of `random` belongs to the program, which may seed it."""

_Result = TypeVar("_Result")


class Patience:
    """The remaining patience of one piece of work."""

    def __init__(self, seconds: float | None = None) -> None:
        self.notice: Notice | None = None
        self._seconds = longest_wait() if seconds is None else seconds
        self._since: float | None = None
        self._pause = _FIRST_PAUSE
        self._told = False

    def after(self, error: DatabaseUnavailable) -> None:
        """Waits until the next attempt is due.

        Raises:
            DatabaseUnavailable: another attempt is useless, or the time is up.
        """
        if self._since is None:
            self._since = time.monotonic() - error.silence
        waited = time.monotonic() - self._since
        patience = min(self._seconds, _SILENCE) if error.silence else self._seconds
        if not error.passing or waited >= patience:
            raise _final(error, waited)
        pause = APART.uniform(0, self._pause)
        if waited + pause >= _UNTOLD:
            self.tell(f"Waiting up to {patience:g} s: {error.message}")
        time.sleep(min(pause, patience - waited))
        longest = _LONGEST_IN_A_CROWD if error.crowded else _LONGEST_PAUSE
        self._pause = min(2 * self._pause, longest)

    def tell(self, text: str) -> None:
        """Tells once that it waits, and why."""
        if self.notice is not None and not self._told:
            self.notice(text)
            self._told = True


_current: ContextVar[Patience | None] = ContextVar("patience", default=None)


@contextlib.contextmanager
def patience(notice: Notice | None = None) -> Iterator[Patience]:
    """The patience of the enclosing piece of work, or else a new one."""
    shared = _current.get()
    if shared is not None:
        shared.notice = shared.notice or notice
        yield shared
        return
    own = Patience()
    own.notice = notice
    token = _current.set(own)
    try:
        yield own
    finally:
        _current.reset(token)


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """What is done inside waits so long at most: the patience of one piece of work."""
    own = Patience(min(seconds, longest_wait()))
    token = _current.set(own)
    try:
        yield
    finally:
        _current.reset(token)


def patiently(
    attempt: Callable[[], _Result], notice: Notice | None = None, *, repeatable: bool = True
) -> _Result:
    """Returns the result of the attempt, which is repeated while the server is not ready.

    An attempt that is not `repeatable` is repeated only if it certainly had no effect.

    Raises:
        DatabaseUnavailable: the last cause, when the time is up.
    """
    with patience(notice) as waiting:
        while True:
            try:
                return attempt()
            except DatabaseUnavailable as error:
                if not (repeatable or error.undone):
                    raise
                waiting.after(error)


def _final(error: DatabaseUnavailable, waited: float) -> DatabaseUnavailable:
    """The error for the caller, without `passing`, so that it is not retried again."""
    tried = f" (tried for {waited:.0f} s)" if error.passing and waited >= 1 else ""
    told = DatabaseUnavailable(error.message + tried, hint=error.hint, undone=error.undone)
    told.__cause__ = error.__cause__
    return told


def remark(text: str) -> None:
    """Tells whoever has patience now that a server makes it wait, and why."""
    if (waiting := _current.get()) is not None:
        waiting.tell(text)


def longest_wait() -> float:
    """The seconds of one patience, as the environment says."""
    given = os.environ.get(VARIABLE, "").strip()
    try:
        seconds = float(given) if given else _SECONDS
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= _LONGEST:
        raise InvalidInput(
            f"the variable {VARIABLE} is not a number of seconds",
            hint=f"It is 0 (a server that does not serve is an error at once) to {_LONGEST:.0f}.",
        )
    return seconds
