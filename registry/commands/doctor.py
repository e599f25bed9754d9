"""The verb `doctor`."""

import dataclasses

import typer

from registry.commands._run import Run
from registry.commands._verb import verb

app = typer.Typer()


@app.command("doctor")
@verb("doctor")
def doctor(run: Run) -> None:
    """Check keys, database, schema, guards and log; exit code 1 if something failed."""
    from registry.database.target import Target
    from registry.errors import ExitStatus
    from registry.services.health import examine

    findings = list(examine(Target.from_environment(), run.output.notice))

    def text() -> None:
        for finding in findings:
            run.output.line(f"{finding.grade:<8} {finding.check}: {finding.message}")
            if finding.hint:
                run.output.line(f"{'':<8} {finding.hint}")

    run.output.result([dataclasses.asdict(finding) for finding in findings], text)
    if any(finding.grade == "failed" for finding in findings):
        run.exit_status = ExitStatus.FAILED
