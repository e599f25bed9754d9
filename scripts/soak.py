"""Crash rounds from the command line; see tests/support/soak.py for what they check."""

import argparse
import json
import sys
from dataclasses import asdict

from support.soak import soak


def main() -> None:
    """Runs the rounds that the options ask for, and prints the counts."""
    parser = argparse.ArgumentParser(description="Crash rounds against a server of its own.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=2.0, help="longest load of a round")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = soak(
        rounds=options.rounds,
        clients=options.clients,
        seconds=options.seconds,
        seed=options.seed,
        tell=lambda text: print(text, file=sys.stderr),
    )
    if options.json:
        print(json.dumps(asdict(report), indent=2))
    else:
        for name, value in asdict(report).items():
            print(f"{name:>14}  {value}")
    sys.exit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
