"""The verb `rebuild`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.commands._options import Yes
from registry.commands._output import Output
from registry.commands._progress import stage_progress
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import ExitStatus
from registry.plurals import counted

if TYPE_CHECKING:
    from registry.rebuild.comparison import Report
    from registry.rebuild.repair import Rebuilt

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=1, max=64, help="Processes. [default: 2 for a long log]"
    ),
]


@verb()
def rebuild(
    run: Run,
    check: Annotated[
        bool, typer.Option("--check", help="Only compare; exit code 6 if something differs.")
    ] = False,
    workers: Workers = None,
    yes: Yes = False,
) -> None:
    """Compare the tables with the log, and repair the rows.

    With --check it only compares.
    """
    from registry.rebuild.comparison import Watch

    with stage_progress(run.output, "Replaying") as progress:
        watch = Watch(progress, lambda report: approve(run, report, yes=yes))
        rebuilt = run.registry.rebuild(check=check, workers=workers, watch=watch, **run.by)
    if check:
        report = rebuilt.report
        run.output.result(report_data(report), lambda: tell_report(run.output, report))
        if report.differing:
            run.exit_status = ExitStatus.VERIFICATION
        return
    run.output.result(rebuilt_data(rebuilt), lambda: tell_rebuilt(run.output, rebuilt))


def approve(run: Run, report: "Report", *, yes: bool) -> None:
    """Asks before rows are deleted that the log does not know."""
    if not report.extra:
        return
    names = [f"{row.table} {row.name or row.key}" for row in report.listed if row.kind == "extra"]
    shown = ", ".join(names[:5]) + (" …" if report.extra > len(names[:5]) else "")
    rows = counted(report.extra, "row")
    run.confirm(f"Delete {rows} that the log does not know ({shown})?", yes=yes)


def report_data(report: "Report") -> dict[str, Any]:
    """A report as JSON data."""
    return {
        "events": report.size,
        "replayed": report.replayed,
        "rows": report.rows,
        "seconds": round(report.seconds, 3),
        "differing": report.differing,
        "tables": {name: counts.model_dump() for name, counts in report.by_table().items()},
        "differences": [asdict(row) for row in report.listed],
        "skipped_events": [asdict(event) for event in report.skipped],
        "unknown_links": report.unknown_links,
        "encrypted_fields_compared": report.tokens,
        "adoption_pending": report.adoption_pending,
    }


def rebuilt_data(rebuilt: "Rebuilt") -> dict[str, Any]:
    """The result of a rebuild as JSON data."""
    return {
        **report_data(rebuilt.report),
        "position": rebuilt.position,
        "events_meanwhile": rebuilt.tail,
        "links_recorded": rebuilt.links_recorded,
        "locked_seconds": round(rebuilt.locked_seconds, 3),
    }


def tell_report(output: Output, report: "Report") -> None:
    """Prints a report for people."""
    rate = report.replayed / max(report.seconds, 0.001)
    output.line(
        f"Replayed {counted(report.replayed, 'event')} in {report.seconds:.1f} s ({rate:,.0f}/s) "
        f"and compared them with {counted(report.rows, 'row')}."
    )
    if report.replayed < report.size:
        output.line(
            f"The log has {counted(report.size, 'event')}: of the releases only the newest matter."
        )
    tell_skipped(output, report)
    for row in report.listed:
        name = f" ({row.name})" if row.name else ""
        output.line(f"  {row.kind:<8} {row.table} {row.key}{name}")
        for column, (found, logged) in row.columns.items():
            values = "differs" if found == logged else f"{_cell(found)} should be {_cell(logged)}"
            output.line(f"           {column}: {values}")
    if report.differing > len(report.listed):
        output.line(f"  … and {report.differing - len(report.listed):,} more")
    if report.unknown_links:
        output.line(
            f"{counted(report.unknown_links, 'position')} with an owner that the log does not "
            "know yet (a rebuild records them)."
        )
    if not report.tokens:
        output.line("The encrypted fields were not compared: this database role may not read them.")
    if report.differing:
        output.line(f"{counted(report.differing, 'row')} not as the log says.")
        if report.adoption_pending and report.extra:
            output.line(
                "Rows from before the registry are among them, which are no damage and not in "
                "the log yet. Take them in: account-registry adopt --dry-run"
            )
    else:
        output.line("The tables are what the log says.")


def tell_skipped(output: Output, report: "Report") -> None:
    """Prints the events that do not count, each with the reason."""
    for event in report.skipped:
        output.line(f"  skipped  position {event.position}: {event}")


def tell_rebuilt(output: Output, rebuilt: "Rebuilt") -> None:
    """Prints the result of a rebuild for people."""
    tell_report(output, rebuilt.report)
    if rebuilt.position is None:
        output.line("Nothing was changed.")
        return
    if rebuilt.links_recorded:
        output.line(f"Recorded the owners of {counted(rebuilt.links_recorded, 'position')}.")
    meanwhile = f", {counted(rebuilt.tail, 'event')} came meanwhile" if rebuilt.tail else ""
    output.line(
        f"Repaired (event {rebuilt.position}); appends waited {rebuilt.locked_seconds:.2f} s"
        f"{meanwhile}."
    )


def _cell(text: str | None) -> str:
    return "nothing" if text is None else repr(text)
