"""Long runs of the tests that try to break promises, each on a server of its own.

Their checks are described in tests/support/soak.py, tests/support/crowd.py and
tests/property/test_input_at_volume.py.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from support.crowd import crowd
from support.soak import own_server, soak

_INPUTS: Final = "tests/property/test_input_at_volume.py"


def main() -> None:
    """Runs the parts that the options ask for, and prints the counts."""
    parser = argparse.ArgumentParser(
        description="Tries to break promises, and checks what is left."
    )
    parser.add_argument("--rounds", type=int, default=100, help="crashes of the server [100]")
    parser.add_argument("--clients", type=int, default=6, help="clients that are at work then [6]")
    parser.add_argument("--seconds", type=float, default=2.0, help="longest load of a round [2]")
    parser.add_argument(
        "--crowd", type=float, default=0, metavar="SECONDS", help="sixteen processes at once [0]"
    )
    parser.add_argument(
        "--inputs", type=int, default=0, metavar="N", help="odd inputs for each kind of them [0]"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.getLogger("registry").setLevel(logging.CRITICAL)
    parts: dict[str, Callable[[], Any]] = {}
    if options.rounds:
        parts["crashes"] = lambda: _crashes(options)
    if options.crowd:
        parts["crowd"] = lambda: _crowd(options.crowd, options.seed)
    if options.inputs:
        parts["inputs"] = lambda: _inputs(options.inputs, options.seed)
    reports = {name: run() for name, run in parts.items()}
    if options.json:
        print(json.dumps(reports, indent=2))
    else:
        for name, report in reports.items():
            print(name)
            for fact, value in report.items():
                print(f"{fact:>18}  {value}")
    sys.exit(1 if any(report["problems"] for report in reports.values()) else 0)


def _crashes(options: argparse.Namespace) -> dict[str, Any]:
    report = soak(
        rounds=options.rounds,
        clients=options.clients,
        seconds=options.seconds,
        seed=options.seed,
        tell=_tell,
    )
    return asdict(report)


def _crowd(seconds: float, seed: int) -> dict[str, Any]:
    with own_server() as server, tempfile.TemporaryDirectory() as folder:
        address = server.ensure_running()
        return asdict(crowd(address, Path(folder), seconds=seconds, seed=seed, tell=_tell))


def _inputs(examples: int, seed: int) -> dict[str, Any]:
    """Runs tests of the suite with more examples and another seed."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "2", f"--hypothesis-seed={seed}", _INPUTS],
            env={
                **os.environ,
                "REGISTRY_FUZZ_EXAMPLES": str(examples),
                "REGISTRY_FUZZ_REPORT": str(report),
            },
            stdout=sys.stderr,
            check=False,
        )
        counts = [json.loads(line) for line in report.read_text().splitlines()]
    codes: Counter[str] = Counter()
    for count in counts:
        codes.update(count["exit_codes"])
    return {
        "inputs": codes.total(),
        "verbs": max(count["verbs"] for count in counts),
        "exit_codes": dict(sorted(codes.items())),
        "seconds": round(time.monotonic() - started, 1),
        "problems": ["see above"] if done.returncode else [],
    }


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
