"""How long `verify` takes, measured against hashing the same bytes from memory.

    python scripts/benchmarks/verify.py [--events 1000000] [--processes 2] [--database URL]

The baseline hashes each leaf and one inner node for each event with hashlib, in one
process, with the bytes in memory already. Both are measured in turn, several times, and
the medians are compared. Without --database the embedded server makes a scratch database.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import biglog
import psycopg

from registry.database.embedded import EmbeddedServer
from registry.encryption.key_source import VARIABLE
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.log.rows import copy_leaves

_BATCH = 50_000
TARGET = 3.0
"""The log may take this many times as long as hashing."""


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """One way to verify: median seconds, and how many times the baseline that is."""

    what: str
    seconds: float
    ratio: float
    peak_mib: int


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", help="a superuser's address of a server to measure on")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    key = generate_master_key()
    os.environ[VARIABLE] = key.reveal()
    with _server(options.database) as server, biglog.scratch_database(server) as address:
        with psycopg.connect(address, autocommit=True) as connection:
            biglog.fill(connection, options.events, MasterKeyring([key]))
        os.environ["DATABASE_URL"] = address
        report = _measure(address, options.events, options.processes, options.rounds)
    _print(report, options.events, options.processes, as_json=options.json)


@contextlib.contextmanager
def _server(given: str | None) -> Iterator[str]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="account-registry-benchmark-") as folder:
        server = EmbeddedServer(Path(folder))
        try:
            yield server.ensure_running()
        finally:
            server.stop()


def _measure(address: str, events: int, processes: int, rounds: int) -> list[Measured]:
    ways = {
        "the log and its data-key references": ["--only-log", "--without-keys"],
        "and every data key opened": ["--only-log"],
        "and the tables replayed": [],
    }
    leaves = _leaves(address, events)
    hashing: list[float] = []
    taken: dict[str, list[tuple[float, int]]] = {what: [] for what in ways}
    for _ in range(rounds):
        for what, options in ways.items():
            hashing.append(_hash(leaves))
            taken[what].append(_verify([*options, "--processes", str(processes)]))
    baseline = statistics.median(hashing)
    measured = [Measured("hashing the same bytes from memory", baseline, 1.0, 0)]
    for what, runs in taken.items():
        seconds = statistics.median(run[0] for run in runs)
        peak = max(run[1] for run in runs)
        measured.append(Measured(what, seconds, seconds / baseline, peak))
    return measured


def _leaves(address: str, events: int) -> list[bytes]:
    with psycopg.connect(address, autocommit=True) as connection:
        return [
            leaf
            for first in range(0, events, _BATCH)
            for leaf in copy_leaves(connection, list(range(first, min(first + _BATCH, events))))
        ]


def _hash(leaves: list[bytes]) -> float:
    left = right = bytes(32)
    started = time.perf_counter()
    for leaf in leaves:
        left = sha256(b"\x00" + leaf).digest()
        right = sha256(b"\x01" + left + right).digest()
    return time.perf_counter() - started


def _verify(options: list[str]) -> tuple[float, int]:
    """Seconds of a run as its users see them, and the peak memory of one of its processes."""
    command = [sys.executable, "-m", "registry.commands", "verify", "--json", *options]
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parents[2],
        )
        # Of this very run, unlike RUSAGE_CHILDREN: the largest of the process and its workers.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        output.seek(0)
        # Or there is nothing to measure.
        assert status == 0  # noqa: S101
        assert json.load(output)["data"]["verified"]  # noqa: S101
    return seconds, usage.ru_maxrss // 1024


def _print(report: list[Measured], events: int, processes: int, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in report]))
        return
    print(f"{events:,} events, {processes} processes, {os.cpu_count()} processors")
    for one in report:
        peak = f", peak {one.peak_mib} MiB a process" if one.peak_mib else ""
        print(f"{one.seconds:8.2f} s  {one.ratio:5.2f}x  {one.what}{peak}")
    verdict = "met" if report[1].ratio <= TARGET else "missed"
    print(f"target for the log: {TARGET:.0f}x, {verdict}")


if __name__ == "__main__":
    main()
