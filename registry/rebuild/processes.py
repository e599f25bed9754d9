"""Runs the workers of a comparison in processes of their own.

A separate interpreter and not a fork: a fork would share the parent's connection, and the
other ways of `multiprocessing` run the caller's main module again.
"""

import contextlib
import os
import selectors
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import IO, Final

import orjson

import registry.errors
from registry.database.connection import Connection
from registry.database.watched import address_of_same_server
from registry.errors import RegistryError
from registry.hints import Hint, Option
from registry.rebuild.repair_rows import Repairs
from registry.rebuild.worker import Emit, Message, SliceTask

_BLOCK: Final = 1 << 20


def run_processes(
    connection: Connection,
    snapshot: str,
    tasks: Mapping[Repairs, SliceTask],
    emit: Emit,
) -> None:
    """Runs one process for each task and passes on what they tell, until all are done.

    Each has files of its own for the repairs that it finds.

    Raises:
        RegistryError: a worker failed; the others are stopped.
    """
    with contextlib.ExitStack() as stack:
        waiting = stack.enter_context(selectors.DefaultSelector())
        for repairs, task in tasks.items():
            order = {
                "address": address_of_same_server(connection),
                "snapshot": snapshot,
                "task": asdict(task),
                "files": repairs.descriptors,
            }
            files = [number for _, _, number in repairs.descriptors]
            output = stack.enter_context(_process(orjson.dumps(order), files))
            waiting.register(output, selectors.EVENT_READ, bytearray())
        while waiting.get_map():
            for ready, _ in waiting.select():
                for message in _received(ready):
                    if "done" in message:
                        waiting.unregister(ready.fileobj)
                    elif "error" in message:
                        raise _error(message)
                    else:
                        emit(message)


def _received(ready: selectors.SelectorKey) -> Iterator[Message]:
    """The messages that have arrived in full."""
    unread: bytearray = ready.data
    arrived = os.read(ready.fd, _BLOCK)
    if not arrived:
        raise RegistryError(
            "a worker process ended unexpectedly",
            hint=Hint("Nothing was changed. Run it again, or with ", Option("workers", 1), "."),
        )
    unread += arrived
    end = arrived.rfind(b"\n")
    if end < 0:
        return
    whole = len(unread) - len(arrived) + end
    lines = bytes(unread[:whole])
    del unread[: whole + 1]
    yield from map(orjson.loads, lines.split(b"\n"))


def _error(message: Message) -> RegistryError:
    kind: type[RegistryError] = getattr(registry.errors, message["error"], RegistryError)
    return kind(message["message"], hint=Hint.parse(message["hint"]) or None)


@contextlib.contextmanager
def _process(order: bytes, files: Sequence[int]) -> Iterator[IO[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "registry.rebuild.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=files,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        # Ctrl-C is for us; we stop the workers.
        start_new_session=True,
    )
    with process:
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(order + b"\n")
                process.stdin.close()
            yield process.stdout
        finally:
            process.kill()
