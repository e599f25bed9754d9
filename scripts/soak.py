"""Long forms of the tests that try to break promises, each with a server of its own.

See tests/support/soak.py and tests/support/crowd.py for what they check.
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog
from support.crowd import crowd
from support.soak import own_server, soak


def main() -> None:
    """Runs what the options ask for, and prints the counts."""
    parser = argparse.ArgumentParser(
        description="Tries to break promises, and checks what is left."
    )
    parser.add_argument("--rounds", type=int, default=100, help="crashes of the server [100]")
    parser.add_argument("--clients", type=int, default=6, help="clients that are at work then [6]")
    parser.add_argument("--seconds", type=float, default=2.0, help="longest load of a round [2]")
    parser.add_argument(
        "--crowd", type=float, default=0, metavar="SECONDS", help="sixteen processes at once [0]"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    parts: dict[str, Callable[[], Any]] = {}
    if options.rounds:
        parts["crashes"] = lambda: soak(
            rounds=options.rounds,
            clients=options.clients,
            seconds=options.seconds,
            seed=options.seed,
            tell=_tell,
        )
    if options.crowd:
        parts["crowd"] = lambda: _crowd(options.crowd, options.seed)
    reports = {name: asdict(run()) for name, run in parts.items()}
    if options.json:
        print(json.dumps(reports, indent=2))
    else:
        for name, report in reports.items():
            print(name)
            for fact, value in report.items():
                print(f"{fact:>18}  {value}")
    sys.exit(1 if any(report["problems"] for report in reports.values()) else 0)


def _crowd(seconds: float, seed: int) -> Any:
    with own_server() as server, tempfile.TemporaryDirectory() as folder:
        return crowd(server.ensure_running(), Path(folder), seconds=seconds, seed=seed, tell=_tell)


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
