"""The verb `restore-drill`."""

import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from registry.commands._given import without_secrets
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import ExitStatus

if TYPE_CHECKING:
    from registry.services.backups.drill import RestoreStep

_INTERRUPTED: Final = 130


@verb()
def restore_drill(
    run: Run,
    dump: Annotated[
        Path | None, typer.Option(metavar="FILE", help="This dump, not a new one.")
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="An empty database, emptied again afterwards; with a password in the address, use "
            "the variable REGISTRY_DRILL_INTO instead. [default: a PostgreSQL of its own]",
        ),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The log must continue these checkpoints.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY|FILE", help="The public key of these checkpoints.")
    ] = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Do not try the master key; needs none.")
    ] = False,
) -> None:
    """Dump the registry, restore it elsewhere, and examine it.

    The registry is only read, and what was made is removed again. Exit code 6: the backup
    does not restore, or differs.
    """

    def tell(step: "RestoreStep") -> None:
        if not run.output.as_json:
            _print(run, step)

    before = signal.signal(signal.SIGTERM, _stop)
    try:
        steps = run.registry.backups.drill(
            dump=dump,
            into=into or os.environ.get("REGISTRY_DRILL_INTO"),
            against=against,
            key=key,
            without_keys=without_keys,
            tell=tell,
        )
    except KeyboardInterrupt:
        run.output.notice("Stopped; what was made is removed.")
        run.exit_status = _INTERRUPTED
        return
    finally:
        signal.signal(signal.SIGTERM, before)
    restores = not any(step.failures for step in steps)
    verdict = "restores." if restores else "does NOT restore to what it is of."
    run.output.result(
        {"restores": restores, "steps": [_shown(step) for step in steps]},
        lambda: run.output.line(f"The backup {verdict}"),
    )
    if not restores:
        run.exit_status = ExitStatus.VERIFICATION


def _shown(step: "RestoreStep") -> dict[str, object]:
    # What programs of PostgreSQL say may repeat an address.
    failures = [without_secrets(failure) for failure in step.failures]
    return {**asdict(step), "told": without_secrets(step.told), "failures": failures}


def _print(run: Run, step: "RestoreStep") -> None:
    verdict = "FAILED" if step.failures else "ok"
    told = without_secrets(step.told)
    run.output.line(f"{step.name:<16} {verdict:<7} {step.seconds:6.1f} s  {told}")
    for failure in step.failures:
        run.output.line(f"{'':<16}   {without_secrets(failure)}")
    sys.stdout.flush()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
