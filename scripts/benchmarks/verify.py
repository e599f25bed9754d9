"""The duration of `verify`, against hashing the same bytes from memory.

    scripts/benchmark verify [--events 1000000] [--processes 2] [--database URL] [--json]

The baseline hashes each leaf and one inner node per event with hashlib, in one process. The bytes
are in memory already. Both take turns several times, and the medians are compared. Without
--database the embedded server provides a scratch database.
"""

import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import biglog
import psycopg
from harness import Target, options, own_server, report, take_turns

from registry.encryption.key_source import VARIABLE
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.encryption.secret import Secret
from registry.log.rows import copy_leaves

_BATCH = 50_000
HASHING: Final = "hashing the same bytes from memory"
LOG: Final = "the log and its data-key references"
_WAYS: Final = {
    LOG: ["--only-log", "--without-keys"],
    "and every data key opened": ["--only-log"],
    "and the tables replayed": [],
}
TARGETS: Final = [Target(LOG, HASHING, most=2.5), *(Target(way, HASHING) for way in [*_WAYS][1:])]


def main() -> None:
    """Measures and prints."""
    chosen = options(
        "Verify against hashing the same bytes from memory.",
        events=1_000_000,
        processes=2,
        rounds=3,
        database="",
    )
    key = generate_master_key()
    os.environ[VARIABLE] = key.reveal()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_server(chosen.database))
        address = stack.enter_context(biglog.scratch_database(server))
        _apart(_fill, address, chosen.events, key.reveal())
        os.environ["DATABASE_URL"] = address
        hash_all = stack.enter_context(hashing(address, chosen.events))
        peaks: dict[str, int] = {}

        def verified(what: str) -> Callable[[], float]:
            def run() -> float:
                wanted = [*_WAYS[what], "--processes", str(chosen.processes)]
                seconds, peak = _verify(wanted)
                peaks[what] = max(peak, peaks.get(what, 0))
                return seconds

            return run

        ways = {HASHING: hash_all} | {what: verified(what) for what in _WAYS}
        measured = take_turns(ways, chosen.rounds)
    facts = {
        "events": chosen.events,
        "processes": chosen.processes,
        "processors": os.cpu_count(),
        **{f"peak MiB of a process, {what}": peak for what, peak in peaks.items()},
    }
    report("verify", "s", measured, TARGETS, as_json=chosen.json, facts=facts)


@contextlib.contextmanager
def _server(given: str) -> Iterator[str]:
    if given:
        yield given
        return
    with own_server() as address:
        yield address


def _apart(work: Callable[..., None], *arguments: object) -> None:
    """Runs it in a process of its own, so that its memory does not count as a child's here."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0  # noqa: S101 - otherwise there is nothing to measure


def _fill(address: str, events: int, key: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        biglog.fill(connection, events, MasterKeyring([Secret(key)]))


@contextlib.contextmanager
def hashing(
    address: str, events: int, clock: Callable[[], float] = time.perf_counter
) -> Iterator[Callable[[], float]]:
    """Yields a function that hashes in another process, which holds all the leaves."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(
        target=_hash_when_asked, args=(address, events, theirs, clock), daemon=True
    )
    process.start()
    ours.recv()

    def run() -> float:
        ours.send(None)
        return float(ours.recv())

    yield run
    process.terminate()
    process.join()


def _hash_when_asked(
    address: str, events: int, asked: Connection, clock: Callable[[], float]
) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        leaves = [
            leaf
            for first in range(0, events, _BATCH)
            for leaf in copy_leaves(connection, list(range(first, min(first + _BATCH, events))))
        ]
    asked.send(0.0)
    while True:
        asked.recv()
        asked.send(_hash(leaves, clock))


def _hash(leaves: list[bytes], clock: Callable[[], float]) -> float:
    left = right = bytes(32)
    started = clock()
    for leaf in leaves:
        left = sha256(b"\x00" + leaf).digest()
        right = sha256(b"\x01" + left + right).digest()
    return clock() - started


def _verify(options: list[str]) -> tuple[float, int]:
    """The seconds of a run as a user sees them, and the peak memory of one of its processes."""
    command = [sys.executable, "-m", "registry.commands", "verify", "--json", *options]
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parents[2],
        )
        # For this run only, unlike RUSAGE_CHILDREN: the largest of the process and its workers.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        output.seek(0)
        # Otherwise there is nothing to measure.
        assert status == 0  # noqa: S101
        assert json.load(output)["data"]["verified"]  # noqa: S101
    return seconds, usage.ru_maxrss // 1024


if __name__ == "__main__":
    main()
