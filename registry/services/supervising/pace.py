"""When the supervisor acts: after a quiet time, and not again and again."""

from typing import Final

from registry.database.patience import APART

_STEADY: Final = 60.0
"""Seconds after which a program is taken to run well."""
_LONGEST: Final = 60.0
_AT_MOST: Final = 10
"""Quiet times: so long do changes that never end put off a restart."""
NEVER: Final = float("inf")


class Backoff:
    """Pauses that grow: 1, 2, 4 … 60 seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def grown(self, *, at_least: float = 0.0) -> float:
        """The pause in seconds; the next one is twice as long."""
        pause = max(at_least, self._next)
        self._next = min(_LONGEST, max(1.0, 2 * pause))
        return pause

    def after(self, lifetime: float, *, at_least: float = 0.0) -> float:
        """The pause after a program that lived so long; one that ran well starts it anew."""
        if lifetime >= _STEADY:
            self.reset()
        return self.grown(at_least=at_least)

    def reset(self) -> None:
        """It is well again."""
        self._next = 0.0


def spread(seconds: float) -> float:
    """A pause that differs, so that a thousand supervisors do not come at once."""
    return seconds * APART.uniform(0.5, 1.5)


class Quiet:
    """The time of the next load: after a quiet time, which each further change begins anew."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._first: float | None = None
        self._after_changes = NEVER
        self._at = NEVER
        self._held_until = 0.0

    @property
    def due(self) -> float:
        """The moment of the next load."""
        return min(self._at, max(self._after_changes, self._held_until))

    def changed(self, now: float) -> None:
        """Something has changed."""
        self._first = now if self._first is None else self._first
        self._after_changes = min(now + self._seconds, self._first + _AT_MOST * self._seconds)

    def hold(self, until: float) -> None:
        """No change makes anything due before this moment."""
        self._held_until = until

    def at(self, moment: float) -> None:
        """It is due at this moment, whatever changes."""
        self._at = moment

    def taken(self) -> None:
        """What was due is done now."""
        self._first, self._after_changes, self._at = None, NEVER, NEVER
