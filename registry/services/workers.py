"""Runs workers of a rebuild: in this process, or in processes of their own.

A separate interpreter and not a fork: a fork would share the parent's connection, and the
other ways of `multiprocessing` run the caller's main module again.
"""

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import IO

import orjson
from psycopg.conninfo import make_conninfo

import registry.errors
from registry.database.connection import Connection
from registry.errors import RegistryError
from registry.services.rebuild_worker import Emit, Message, SliceTask

_WAITING = 64


def run_processes(
    connection: Connection, snapshot: str, tasks: Sequence[SliceTask], emit: Emit
) -> None:
    """Runs one process for each task and passes on what they tell, until all are done.

    Raises:
        RegistryError: a worker failed; the others are stopped.
    """
    messages: queue.Queue[Message | None] = queue.Queue(_WAITING)
    with contextlib.ExitStack() as stack:
        for task in tasks:
            order = {"address": _address(connection), "snapshot": snapshot, "task": asdict(task)}
            output = stack.enter_context(_process(orjson.dumps(order)))
            threading.Thread(target=_pass_on, args=(output, messages), daemon=True).start()
        running = len(tasks)
        while running:
            message = messages.get()
            if message is None:
                raise RegistryError(
                    "a worker process ended unexpectedly",
                    hint="Nothing was changed. Run it again, or with --workers 1.",
                )
            if "error" in message:
                kind = getattr(registry.errors, message["error"], RegistryError)
                raise kind(message["message"], hint=message.get("hint"))
            if "done" in message:
                running -= 1
            else:
                emit(message)


@contextlib.contextmanager
def _process(order: bytes) -> Iterator[IO[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "registry.services.rebuild_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        # Ctrl-C is for us; we stop the workers.
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(order + b"\n")
            process.stdin.close()
        yield process.stdout
    finally:
        process.kill()
        process.wait()


def _pass_on(output: IO[bytes], messages: "queue.Queue[Message | None]") -> None:
    done = False
    with contextlib.suppress(ValueError):  # a line that the process was killed in
        for line in output:
            message = orjson.loads(line)
            done = "done" in message or "error" in message
            messages.put(message)
    if not done:
        messages.put(None)


def _address(connection: Connection) -> str:
    # The very server that exported the snapshot, where the address names several.
    info = connection.info
    reached = {"host": info.host, "port": str(info.port)}
    if info.password:
        reached["password"] = info.password
    return make_conninfo(**{**info.get_parameters(), **reached})
