"""The command line of the restore drill; registry/services/backups/drill.py describes the drill.

Exit codes: 0 the backup restores · 6 it does not, or the data differs · else those of the verbs.
"""

import argparse
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import NoReturn

from registry.commands._given import remember, without_secrets
from registry.database.target import Target
from registry.encryption.key_source import load_keyring
from registry.errors import ExitStatus, RegistryError
from registry.hints import commands_of
from registry.services.audit.checkpoint_store import CheckpointStore
from registry.services.audit.checkpoints import known_checkpoints
from registry.services.backups.drill import RestorePlan, RestoreStep, rehearse_restore

_INTERRUPTED = 130


def main() -> int:
    """Runs the drill that the options ask for; returns the exit code."""
    remember(sys.argv[1:])
    options = _options()
    signal.signal(signal.SIGTERM, _stop)
    steps: list[RestoreStep] = []

    def tell(step: RestoreStep) -> None:
        steps.append(step)
        if not options.json:
            _print(step)

    try:
        plan = RestorePlan(
            dump=options.dump,
            into=options.into or os.environ.get("REGISTRY_DRILL_INTO"),
            against=known_checkpoints(CheckpointStore(), options.against, options.key),
            keyring=None if options.without_keys else load_keyring(),
        )
        well = rehearse_restore(Target.from_environment(), plan, tell)
    except RegistryError as error:
        hint = f"\n  {commands_of(error.hint)}" if error.hint else ""
        print(without_secrets(f"Error: {error.message}{hint}"), file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("Stopped; what was made is removed.", file=sys.stderr)
        return _INTERRUPTED
    if options.json:
        document = {"restores": well, "steps": [asdict(step) for step in steps]}
        print(without_secrets(json.dumps(document, indent=2)))
    else:
        print("The backup restores." if well else "The backup does NOT restore to what it is of.")
    return ExitStatus.DONE if well else ExitStatus.VERIFICATION


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(without_secrets(message))


def _options() -> argparse.Namespace:
    parser = _Parser(
        prog="restore-drill", description="Restores a backup elsewhere and examines it."
    )
    parser.add_argument("--dump", type=Path, metavar="FILE", help="this dump, not a new one")
    parser.add_argument(
        "--into",
        metavar="ADDRESS",
        help="an empty database, emptied again afterwards; with a password in the address, use "
        "the variable REGISTRY_DRILL_INTO instead [default: a PostgreSQL of its own]",
    )
    parser.add_argument("--against", type=Path, metavar="FILE", help="a file of checkpoints")
    parser.add_argument("--key", metavar="KEY|FILE", help="the public key of these checkpoints")
    parser.add_argument(
        "--without-keys", action="store_true", help="do not try the master key; needs none"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    options, more = parser.parse_known_args()
    if more:
        parser.error("there are more arguments than it takes (they are not shown)")
    return options


def _print(step: RestoreStep) -> None:
    verdict = "FAILED" if step.failures else "ok"
    print(
        f"{step.name:<16} {verdict:<7} {step.seconds:6.1f} s  {without_secrets(step.told)}",
        flush=True,
    )
    for failure in step.failures:
        print(f"{'':<16}   {without_secrets(failure)}", flush=True)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
