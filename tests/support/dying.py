"""A client that kills itself at its n-th statement, in a process of its own."""

import os
import signal
from collections.abc import Callable
from typing import Any

import psycopg

from registry.execution.executor import Outcome

Command = Callable[[], Outcome]


def survives(command: Command, statement: int) -> bool:
    """Runs a command in a child that is killed as soon as it has sent this statement.

    The server gets the statements up to this one, and nothing afterwards. False if the
    child was killed, true if the command has fewer statements and succeeded.
    """
    child = os.fork()
    if child == 0:
        _run(command, statement)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0
    return True


def _run(command: Command, statement: int) -> None:
    sent = 0
    execute = psycopg.Connection.execute

    def counting(self: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal sent
        result = execute(self, *arguments, **options)
        sent += 1
        if sent == statement:
            self.pgconn.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    psycopg.Connection.execute = counting  # type: ignore[method-assign]
    try:
        command()
    except BaseException:  # noqa: BLE001 - a forked child must never return into pytest
        os._exit(1)
    os._exit(0)
