"""The verb `doctor`."""

import dataclasses

from registry.commands._given import without_secrets
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import ExitStatus
from registry.hints import commands_of


@verb()
def doctor(run: Run) -> None:
    """Check keys, database, schema, guards and log; exit code 1 if something failed."""
    # A finding may hold an error's text, which everywhere else goes to standard error.
    findings = [
        {
            name: text and without_secrets(commands_of(text))
            for name, text in dataclasses.asdict(finding).items()
        }
        for finding in run.registry.doctor(run.output.notice)
    ]

    def text() -> None:
        for finding in findings:
            run.output.line(f"{finding['grade']:<8} {finding['check']}: {finding['message']}")
            if finding["hint"]:
                run.output.line(f"{'':<8} {finding['hint']}")

    run.output.result(findings, text)
    if any(finding["grade"] == "failed" for finding in findings):
        run.exit_status = ExitStatus.FAILED
