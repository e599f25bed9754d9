"""Divides work among several processes, each with a connection of its own.

On Linux a worker is a fork of this process, which has all modules loaded already. With other
threads a fork is not safe, and a worker is a new process: it imports from the same folders,
but also runs the caller's main module again. Its task is never in a program's arguments.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any, Final, TypeVar

from registry.database.connection import Connection, connect, registry_errors
from registry.database.snapshot import begin_reading, export_snapshot
from registry.database.target import Target
from registry.errors import RegistryError

_Task = TypeVar("_Task")
Emit = Callable[[Any], None]
_SAFE_PATH: Final = "PYTHONSAFEPATH"


def run_processes(
    connection: Connection,
    target: Target,
    work: Callable[[Connection, _Task, Emit], None],
    tasks: Iterable[_Task],
) -> Generator[Any, None, None]:
    """Does `work` in one process for each task, and yields their messages as they come.

    Their connections share the snapshot of `connection`, which is in a transaction.

    Raises:
        RegistryError: a worker failed or was killed; all other workers are stopped.
    """
    snapshot = export_snapshot(connection)
    context = _context()
    with contextlib.ExitStack() as started:
        at_work: list[Pipe] = []
        for task in tasks:
            ours, theirs = context.Pipe(duplex=False)
            at_work.append(started.enter_context(ours))
            inherited = [connection.fileno(), *(pipe.fileno() for pipe in at_work)]
            if isinstance(context, SpawnContext):
                inherited = []
            given = (theirs, inherited, target, snapshot, work, task)
            process = context.Process(target=_worker, args=given, daemon=True)
            with theirs, _nothing_from_the_current_folder():
                process.start()
            started.callback(_end, process)
        while at_work:
            for pipe in wait(at_work):
                assert isinstance(pipe, Pipe)  # noqa: S101 - the list holds only pipes
                if (message := _received(pipe)) is None:
                    at_work.remove(pipe)
                else:
                    yield message


@contextlib.contextmanager
def _nothing_from_the_current_folder() -> Iterator[None]:
    """A new process looks for no module in the folder where this one was started (python -P)."""
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


def _context() -> ForkContext | SpawnContext:
    if sys.platform == "linux" and threading.active_count() == 1:
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def _received(pipe: Pipe) -> Any:
    """The next message of a worker; None when it is done."""
    try:
        message = pipe.recv()
    except (EOFError, OSError):
        raise RegistryError(
            "a worker process ended unexpectedly",
            hint="Nothing was changed. Run it again, or with one process only.",
        ) from None
    if isinstance(message, Exception):
        raise message
    return message


def _end(process: BaseProcess) -> None:
    process.kill()
    process.join()


def _worker(
    pipe: Pipe,
    inherited: list[int],
    target: Target,
    snapshot: str,
    work: Callable[[Connection, _Task, Emit], None],
    task: _Task,
) -> None:
    # Ctrl-C is for the parent, which ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # While these pipes are open here, no worker would notice the end of the parent.
    for file in inherited:
        os.close(file)
    try:
        with connect(target) as connection, registry_errors(connection):
            begin_reading(connection, snapshot)
            work(connection, task, pipe.send)
    except BrokenPipeError:  # the parent is gone
        return
    except Exception as error:  # noqa: BLE001 - the parent raises it
        pipe.send(error)
    else:
        pipe.send(None)
