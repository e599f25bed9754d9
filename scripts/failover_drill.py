"""Failovers by Patroni under clients of all kinds; see tests/support/failover.py."""

import argparse
import json
import logging
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import psutil
from support.failover import Crew, Disaster, Report
from support.patroni import Node, Patroni, missing, patroni, programs_of_postgresql


def _longest(of: Callable[[Disaster], float]) -> Callable[[list[Disaster]], str]:
    return lambda disasters: f"{max(map(of, disasters)):.1f} s"


def _sum(of: Callable[[Disaster], int]) -> Callable[[list[Disaster]], str]:
    return lambda disasters: f"{sum(map(of, disasters)):,}"


_ROWS: Final = {
    "longest gap between writes": _longest(lambda d: d.write_gap),
    "longest gap between loads": _longest(lambda d: d.load_gap),
    "longest start of a program": _longest(lambda d: d.slowest),
    "writes acknowledged": _sum(lambda d: d.written),
    "  of them lost": _sum(lambda d: d.lost),
    "secrets collected": _sum(lambda d: d.collected),
    "  whose event is gone": _sum(lambda d: d.gone),
    "programs started": _sum(lambda d: d.started),
    "commands failed": _sum(lambda d: d.failed_writes),
    "loads and runs failed": _sum(lambda d: d.failed_loads),
    "events followed": _sum(lambda d: d.events),
}


def main() -> None:
    """Runs the drill, and prints its table."""
    parser = argparse.ArgumentParser(description="Failovers by Patroni under clients of all kinds.")
    parser.add_argument("--rounds", type=int, default=1, help="of each disaster [1]")
    parser.add_argument("--calm", type=float, default=5, help="seconds between disasters [5]")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if lacking := missing():
        sys.exit(
            f"failover-drill: not installed: {', '.join(lacking)}. "
            "Run scripts/install-servers --failover."
        )
    logging.getLogger("registry").setLevel(logging.CRITICAL)
    # However it is ended, nothing is left behind. In a shell's background Ctrl-C would be ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        report = _drill(options.rounds, options.calm)
    except KeyboardInterrupt:
        sys.exit("failover-drill: interrupted; the servers are gone")
    told = {"machine": _machine(), **asdict(report)}
    print(json.dumps(told, indent=2) if options.json else _table(report))
    sys.exit(1 if report.problems else 0)


def _drill(rounds: int, calm: float) -> Report:
    with patroni() as servers, tempfile.TemporaryDirectory() as folder:
        _tell("three servers are there; starting the clients")
        crew = Crew(servers.ensure_running(), Path(folder))
        with crew.at_work():
            for name, strike, mend in _disasters(servers) * rounds:
                time.sleep(calm)
                _tell(name)
                crew.survive(name, strike, mend)
            _tell("all are well; checking")
        return crew.report


def _disasters(servers: Patroni) -> list[tuple[str, Callable[[], Node], Callable[[Node], None]]]:
    """Each with what strikes a node, and what mends it."""

    def reset(node: Node) -> None:
        node.kill()
        node.start()
        servers.await_all()

    return [
        ("kill -9", servers.kill_primary, reset),
        ("switchover", servers.switch_over, lambda _: servers.await_all()),
        # A machine that hangs is reset, as by a watchdog. One that only goes on may take its lead
        # back from its successor: https://github.com/patroni/patroni/pull/2689
        ("hang, reset", servers.freeze_primary, reset),
    ]


def _table(report: Report) -> str:
    columns: dict[str, list[Disaster]] = {}
    for disaster in report.disasters:
        columns.setdefault(disaster.name, []).append(disaster)
    titles = [name if len(all_) == 1 else f"{len(all_)} x {name}" for name, all_ in columns.items()]
    lines = ["", *_ROWS]
    width = max(map(len, lines))
    cells = [titles, *([row(all_) for all_ in columns.values()] for row in _ROWS.values())]
    lines = [
        f"{line:{width}}" + "".join(f"{cell:>16}" for cell in row)
        for line, row in zip(lines, cells, strict=True)
    ]
    told = [*lines, "", f"{report.events:,} events in all. {_machine()}"]
    return "\n".join([*told, *(f"PROBLEM: {problem}" for problem in report.problems)])


def _machine() -> str:
    commands = ([f"{programs_of_postgresql()}/postgres"], ["patroni"], ["etcd"])
    versions = (_output(*command, "--version").split("\n")[0] for command in commands)
    memory = psutil.virtual_memory().total / 2**30
    return f"{', '.join(versions)}; {psutil.cpu_count()} cores, {memory:.0f} GB."


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


def _tell(text: str) -> None:
    print(f"failover-drill: {text}", file=sys.stderr)


if __name__ == "__main__":
    main()
