"""What the benchmarks share: a server of their own, turns, medians with spread, a table.

The ways to do a thing take turns, round by round, so that whatever else the machine does
falls on all of them; what travels to another machine is the ratio of two medians.
"""

import argparse
import contextlib
import json
import multiprocessing
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from registry.database.embedded import EmbeddedServer
from registry.database.migrator import Migrator

Step = Callable[[], object]
Client = Callable[[str, int], Step]
"""From an address and a number to what the client does again and again; imports nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio that is promised: this way's median over that one's."""

    way: str
    over: str
    least: float | None = None
    most: float | None = None

    def reached(self, ratio: float) -> bool:
        """Whether the ratio is good enough; without a bound it is only shown."""
        return (self.least is None or ratio >= self.least) and (
            self.most is None or ratio <= self.most
        )


def options(description: str, **defaults: Any) -> argparse.Namespace:
    """The options of a benchmark: `--rounds`, `--json` and those that are given."""
    parser = argparse.ArgumentParser(description=description)
    for name, default in defaults.items():
        if isinstance(default, bool):
            parser.add_argument(f"--{name}", action="store_true")
        else:
            parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


@contextlib.contextmanager
def own_server() -> Iterator[str]:
    """The address of a migrated database in a server of its own, with its usual durability."""
    folder = Path(tempfile.mkdtemp(prefix="account-registry-benchmark-"))
    server = EmbeddedServer(folder)
    try:
        address = server.ensure_running()
        with psycopg.connect(address, autocommit=True) as connection:
            Migrator(connection).up()
        yield address
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def take_turns(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each way measured, in each round."""
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for name, run in ways.items():
            measured[name].append(run())
    return measured


def rate(address: str, client: Client, clients: int, seconds: float) -> float:
    """How often a second so many processes, each with a connection, do the client's step."""
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(clients)
    counts = context.SimpleQueue()
    processes = [
        context.Process(target=_count, args=(address, client, number, seconds, ready, counts))
        for number in range(clients)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("a client failed")
    return sum(counts.get() for _ in processes)


def _count(
    address: str, client: Client, number: int, seconds: float, ready: Any, counts: Any
) -> None:
    step = client(address, number)
    for _ in range(12):  # statements are prepared, plans are made
        step()
    ready.wait()
    started = time.perf_counter()
    done = 0
    while time.perf_counter() < started + seconds:
        step()
        done += 1
    counts.put(done / (time.perf_counter() - started))


def report(
    subject: str,
    unit: str,
    measured: Mapping[str, list[float]],
    targets: list[Target],
    *,
    as_json: bool,
) -> None:
    """Prints medians, spread and ratios; exits with 1 if a target is not reached."""
    rows = {
        name: {
            "median": statistics.median(values),
            "lowest": min(values),
            "highest": max(values),
        }
        for name, values in measured.items()
    }
    ratios = [
        {
            "way": target.way,
            "over": target.over,
            "ratio": (ratio := rows[target.way]["median"] / rows[target.over]["median"]),
            "target": target.least or target.most,
            "reached": target.reached(ratio),
        }
        for target in targets
        if target.way in rows and target.over in rows
    ]
    if as_json:
        print(json.dumps({"subject": subject, "unit": unit, "ways": rows, "ratios": ratios}))
    else:
        _print(unit, rows, ratios)
    sys.exit(0 if all(one["reached"] for one in ratios) else 1)


def _print(unit: str, rows: dict[str, dict[str, float]], ratios: list[dict[str, Any]]) -> None:
    width = max(map(len, rows))
    print(f"{'':{width}}  {'median':>10}  {'lowest':>10}  {'highest':>10}  {unit}")
    for name, row in rows.items():
        figures = "  ".join(f"{value:>10,.1f}" for value in row.values())
        print(f"{name:{width}}  {figures}")
    for one in ratios:
        target = "" if one["target"] is None else f" (target {one['target']:g}"
        verdict = "" if one["target"] is None else f", {'reached' if one['reached'] else 'missed'})"
        print(f"{one['ratio']:.2f}  {one['way']} / {one['over']}{target}{verdict}")
