"""A candidate: a process that loads credentials, waits until it may, and becomes the program.

So the new credentials are there before the old program is stopped, and the supervisor itself never
has one. It gets digests under a key of its own, to see whether anything has changed.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from registry import errors
from registry.errors import ExitStatus, NotFound, Refused, RegistryError
from registry.hints import commands_of
from registry.services.supervising.processes import Child, Supervisor, forked
from registry.services.supervising.signals import Signals

_DIGEST_KEY: Final = os.urandom(32)


class Gate:
    """Where a candidate waits until it may become the program."""

    def __init__(self, supervisor: Supervisor, held: frozenset[str]) -> None:
        self._supervisor = supervisor
        self._held = held
        self.is_first = not held
        """Whether nothing runs yet, which somebody could have been told of."""

    def pass_with(
        self,
        given: Mapping[str, Mapping[str, Any]],
        problems: Mapping[str, RegistryError],
    ) -> None:
        """Waits with what was loaded; does not return if the program needs no restart.

        Raises:
            RegistryError: what the program has could not be loaded again, though nobody took it.
        """
        for exchange, problem in problems.items():
            if exchange in self._held and not isinstance(problem, Refused | NotFound):
                raise problem
        self._supervisor.say(given={name: _digest(fields) for name, fields in given.items()})
        if not self._supervisor.wait():
            os._exit(ExitStatus.DONE)


def _digest(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True)
    return hashlib.blake2b(text.encode(), key=_DIGEST_KEY).hexdigest()


class Candidate:
    """The process, as the supervisor sees it."""

    def __init__(self, process: Child) -> None:
        self.process = process
        self.given: dict[str, str] | None = None
        """Exchange -> digest of what it loaded, once it has."""


def candidate(
    become: Callable[[Gate], NoReturn], signals: Signals, held: frozenset[str]
) -> Candidate:
    """Forks a process that loads, passes the gate, and becomes the program.

    It says what it loaded (`given`), or why it cannot go on (`error`).
    """

    def work(supervisor: Supervisor) -> int:
        try:
            signals.as_before()
            become(Gate(supervisor, held))
        except KeyboardInterrupt:
            return ExitStatus.FAILED
        except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor is told
            known = _known(error)
            supervisor.say(error=described(known))
            return known.exit_status

    return Candidate(forked(work))


def _known(error: Exception) -> RegistryError:
    import psycopg

    from registry.database.errors import connection_lost, lost

    if isinstance(error, RegistryError):
        return error
    if isinstance(error, psycopg.Error) and connection_lost(error):
        return lost(error)
    return RegistryError(f"unexpected {type(error).__name__}", hint="This is a defect.")


def described(error: RegistryError) -> dict[str, str | None]:
    """An error as a message between processes."""
    hint = error.hint and commands_of(error.hint)
    return {"kind": type(error).__name__, "message": error.message, "hint": hint}


def as_error(told: Mapping[str, Any]) -> RegistryError:
    """The error of such a message."""
    kind: type[RegistryError] = getattr(errors, told["kind"])
    return kind(told["message"], hint=told["hint"])
