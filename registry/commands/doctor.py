"""The verb `doctor`."""

import dataclasses
from collections.abc import Set as AbstractSet
from typing import Annotated

import typer

from registry.commands._given import without_secrets
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import ExitStatus
from registry.hints import commands_of


@verb()
def doctor(
    run: Run,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what reads the whole log, and say so.")
    ] = False,
) -> None:
    """Check how the registry is set up, and what it holds.

    Exit code 1 if a check of keys, database, schema, its objects or the log failed; else 6 if
    a credential has expired or will soon, or if rows are damaged.
    """
    # A finding may be an error, and what errors say goes elsewhere to standard error.
    findings = [
        {
            name: text and without_secrets(commands_of(text))
            for name, text in dataclasses.asdict(finding).items()
        }
        for finding in run.registry.doctor(run.output.notice, quick=quick)
    ]

    def text() -> None:
        for finding in findings:
            run.output.line(f"{finding['grade']:<8} {finding['check']}: {finding['message']}")
            if finding["hint"]:
                run.output.line(f"{'':<8} {finding['hint']}")

    run.output.result(findings, text)
    run.exit_status = exit_status({finding["grade"] for finding in findings})


def exit_status(grades: AbstractSet[str | None]) -> ExitStatus:
    """What the findings of these grades come to."""
    if "failed" in grades:
        return ExitStatus.FAILED
    return ExitStatus.VERIFICATION if grades & {"due", "damaged"} else ExitStatus.DONE
