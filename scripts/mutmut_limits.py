"""Runs mutmut with limits that each worker enforces itself.

A mutant can run, or allocate memory, without end. For its own timeout mutmut sends a signal
to a worker's process id, even after the worker has ended. By then another program may have
that id (seen in mutmut 3.8.1).
"""

import os
import resource
import signal
from collections.abc import Iterable
from typing import Any, Final

from mutmut.__main__ import cli
from mutmut.runners.harness import PytestRunner
from mutmut.workers import isolation

_SECONDS: Final = 60
_BYTES: Final = 2 << 30
_TIMED_OUT: Final = 24
"""The exit code that mutmut takes for a timeout."""


class _Runner(PytestRunner):
    def run_tests(self, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        if mutant_name is not None:
            signal.signal(signal.SIGALRM, _give_up)
            signal.alarm(_SECONDS)
            resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
        status: int = super().run_tests(mutant_name=mutant_name, tests=tests)
        return status


def _give_up(*_: Any) -> None:
    os._exit(_TIMED_OUT)


if __name__ == "__main__":
    isolation.register_timeout = lambda pid, timeout_s: None  # noqa: ARG005
    isolation.PytestRunner = _Runner
    cli()
