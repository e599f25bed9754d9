"""Brings messages to a receiver, in a thread of its own: no receiver waits for another one."""

import dataclasses
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from registry.clock import now
from registry.database.patience import APART
from registry.services.alerts.messages import Message
from registry.services.alerts.program import Program
from registry.services.alerts.rules import Settings
from registry.services.alerts.state import State
from registry.services.alerts.webhook import Webhook

_FEW: Final = 5
"""More than these that wait are one digest."""
_LONGEST: Final = 300.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a test message."""

    receiver: str
    what: str
    """The kind of receiver, and where it is."""
    error: str | None
    """Why it did not arrive; None if the receiver took it."""


class Courier(threading.Thread):
    """Delivers to one receiver, again and again until it has taken everything."""

    def __init__(
        self,
        name: str,
        receiver: Webhook | Program,
        state: State,
        registry: str,
        told: Callable[[str], None],
    ) -> None:
        super().__init__(name=f"alerts to {name}", daemon=True)
        self._receiver_name = name
        self._receiver = receiver
        self._state = state
        self._registry = registry
        self._told = told
        self._stopped = threading.Event()
        self.failed: Exception | None = None
        """What ended it although nobody stopped it: it cannot keep what was taken."""

    def run(self) -> None:
        """Until it is stopped."""
        try:
            self._deliver()
        except Exception as error:  # noqa: BLE001 - the run ends by it
            self.failed = error

    def _deliver(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            waiting, dropped = self._state.waiting(self._receiver_name)
            if not waiting:
                with self._state.changed:
                    if not self._state.waiting(self._receiver_name)[0]:
                        self._state.changed.wait(1.0)
                continue
            is_digest = len(waiting) + dropped > _FEW
            sent = waiting if is_digest else waiting[:1]
            message = Message.digest(waiting, dropped) if is_digest else waiting[0]
            error = send(self._receiver, message, self._registry)
            if error is None:
                self._state.taken(self._receiver_name, sent, dropped if is_digest else 0)
                if failures:
                    self._told(f"{self._receiver_name} takes messages again")
                failures = 0
                continue
            if not failures and not self._stopped.is_set():
                self._told(f"{self._receiver_name} took no message, and is tried again: {error}")
            failures += 1
            pause = min(_LONGEST, 2.0 ** min(failures - 1, 10))
            self._stopped.wait(pause * APART.uniform(0.8, 1.2))

    def stop(self) -> None:
        """Ends it soon; what the receiver has not taken is told after the next start."""
        self._stopped.set()
        with self._state.changed:
            self._state.changed.notify_all()
        if isinstance(self._receiver, Program):
            self._receiver.cancel()


def send(receiver: Webhook | Program, message: Message, registry: str) -> str | None:
    """Sends one message once; returns what went wrong."""
    told = dataclasses.replace(message, registry=registry).as_json()
    return receiver.send(message.id, json.dumps(told, ensure_ascii=False).encode())


def send_tests(settings: Settings) -> list[Delivery]:
    """Sends a test message to each receiver, one after the other."""
    return [
        Delivery(name, str(receiver), send(receiver, Message.test(name, now()), settings.name))
        for name, receiver in settings.receivers.items()
    ]
