"""Reads in a thread of its own, one thing at a time; a newer request goes before an older one."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from registry.errors import RegistryError


@dataclass(frozen=True, slots=True)
class Answer:
    """What a read gave: its value, or why there is none."""

    asked_by: object
    value: Any
    error: RegistryError | None
    seconds: float
    """How long it took."""


class Reader(threading.Thread):
    """The thread; it does not keep the program from ending while a database does not answer."""

    def __init__(self, told: Callable[[Answer], object]) -> None:
        super().__init__(name="account-registry monitor", daemon=True)
        self._told = told
        self._changed = threading.Condition()
        self._wanted: tuple[object, Callable[[], Any]] | None = None
        self._is_closed = False

    def ask(self, asked_by: object, read: Callable[[], Any]) -> None:
        """Reads soon, instead of what waits to be read."""
        with self._changed:
            self._wanted = asked_by, read
            self._changed.notify()

    def close(self) -> None:
        """Reads nothing any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def run(self) -> None:
        """Reads what is asked for until it is closed."""
        while (wanted := self._next()) is not None:
            asked_by, read = wanted
            began = time.monotonic()
            value, error = None, None
            try:
                value = read()
            except RegistryError as failure:
                error = failure
            except Exception as failure:  # noqa: BLE001 - its text may contain anything
                error = RegistryError(f"unexpected {type(failure).__name__}")
            answer = Answer(asked_by, value, error, time.monotonic() - began)
            with contextlib.suppress(RuntimeError):  # the screen has gone meanwhile
                self._told(answer)

    def _next(self) -> tuple[object, Callable[[], Any]] | None:
        with self._changed:
            while self._wanted is None and not self._is_closed:
                self._changed.wait()
            wanted, self._wanted = self._wanted, None
            return None if self._is_closed else wanted
