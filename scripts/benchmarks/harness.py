"""The common part of the benchmarks: a server, turns, medians with spread, and a table.

The compared ways take turns, round by round, so that other load on the machine affects all of
them. Only the ratio of two medians can be compared between machines.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from registry.database.migrator import Migrator
from registry.database.scratch import fresh_server

_GIVEN = "REGISTRY_BENCHMARK_DATABASE_URL"

Step = Callable[[], object]
Client = Callable[[str, int], Step]
"""Takes an address and a number; returns the step that a client repeats."""


@dataclass(frozen=True, slots=True)
class Target:
    """A required ratio: the median of `way` over the median of `over`."""

    way: str
    over: str
    least: float | None = None
    most: float | None = None

    def reached(self, ratio: float) -> bool:
        """Whether the ratio is within the bounds; without bounds it is only shown."""
        return (self.least is None or ratio >= self.least) and (
            self.most is None or ratio <= self.most
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """A required upper bound for another value."""

    name: str
    value: float
    most: float


def options(description: str, **defaults: Any) -> argparse.Namespace:
    """The options of a benchmark: `--rounds`, `--json` and the given ones."""
    parser = argparse.ArgumentParser(description=description)
    for name, default in defaults.items():
        if isinstance(default, bool):
            parser.add_argument(f"--{name}", action="store_true")
        else:
            parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def server_is_given() -> bool:
    """Whether the environment names the server to measure."""
    return bool(os.environ.get(_GIVEN))


@contextlib.contextmanager
def own_server(major: int | None = None) -> Iterator[str]:
    """The address of a migrated database on a server of its own, with default durability.

    REGISTRY_BENCHMARK_DATABASE_URL names another database to fill, as a superuser.
    Without it, `major` selects a version that comes with the embedded server.
    """
    given = os.environ.get(_GIVEN)
    with contextlib.nullcontext(given) if given else fresh_server(major) as address:
        with psycopg.connect(address, autocommit=True) as connection:
            Migrator(connection).up()
        yield address


def take_turns(
    ways: Mapping[str, Callable[[], float]], rounds: int, *, quiet: bool = False
) -> dict[str, list[float]]:
    """The measurements of each way, one per round."""
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        if not quiet:
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for name, run in ways.items():
            measured[name].append(run())
    return measured


def rate(address: str, client: Client, clients: int, seconds: float) -> float:
    """Steps per second of this many processes, each with a connection of its own."""
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
    total: float = sum(counts.get() for _ in processes)
    return total


def _count(
    address: str, client: Client, number: int, seconds: float, ready: Any, counts: Any
) -> None:
    step = client(address, number)
    for _ in range(12):  # statements get prepared, plans get made
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
    targets: Sequence[Target],
    *,
    as_json: bool,
    limits: Sequence[Limit] = (),
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Prints medians, spread and ratios; exits with 1 if a target is missed.

    The JSON of every benchmark has this shape: `ways` (name -> median, lowest, highest),
    `ratios` of medians, `limits`, and further information in `facts`.
    """
    rows = {
        name: {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
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
    bounds = [asdict(limit) | {"reached": limit.value <= limit.most} for limit in limits]
    document: dict[str, Any] = {
        "subject": subject,
        "unit": unit,
        "ways": rows,
        "ratios": ratios,
        "limits": bounds,
        "facts": dict(facts or {}),
    }
    if as_json:
        print(json.dumps(document))
    else:
        _print(document)
    sys.exit(0 if all(ratio["reached"] for ratio in [*ratios, *bounds]) else 1)


def _print(document: dict[str, Any]) -> None:
    rows: dict[str, dict[str, float]] = document["ways"]
    width = max(map(len, rows))
    unit = document["unit"]
    print(f"{'':{width}}  {'median':>10}  {'lowest':>10}  {'highest':>10}  {unit}")
    for name, row in rows.items():
        print(f"{name:{width}}  " + "  ".join(f"{_figure(value):>10}" for value in row.values()))
    for one in document["ratios"]:
        target = "" if one["target"] is None else f" (target {one['target']:g}"
        verdict = "" if one["target"] is None else f", {_verdict(one)})"
        print(f"{_figure(one['ratio'])}  {one['way']} / {one['over']}{target}{verdict}")
    for one in document["limits"]:
        print(f"{one['name']}: {one['value']:g} ({one['most']:g} at most, {_verdict(one)})")
    for name, value in document["facts"].items():
        print(f"{name}: {value:,}" if isinstance(value, int) else f"{name}: {value}")


def _verdict(one: Mapping[str, Any]) -> str:
    return "reached" if one["reached"] else "missed"


def _figure(value: float) -> str:
    """Formats a value with a sensible number of digits."""
    return f"{value:,.1f}" if value >= 10 else f"{value:.3g}" if value < 1 else f"{value:.2f}"  # noqa: PLR2004
