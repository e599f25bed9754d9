"""The verb `migrate`."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from registry.commands._options import Yes
from registry.commands._progress import stage_progress
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import ConfirmationNeeded, ExitStatus, InvalidInput
from registry.plurals import counted

if TYPE_CHECKING:
    from registry.database.connection import Connection
    from registry.services.schema.schema import BroughtUp, Contents


@verb()
def migrate(
    run: Run,
    direction: Annotated[
        Literal["up", "down", "status"],
        typer.Argument(help="up: apply what is missing; down: drop the tables, keep the log."),
    ],
    rehearse: Annotated[
        bool,
        typer.Option("--rehearse", help="With down: down, up and rebuild on a copy; compare."),
    ] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="With down: destroy the log and the keys too.")
    ] = False,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", metavar="DATABASE", help="With --purge: the database's name."),
    ] = None,
    yes: Yes = False,
) -> None:
    """Bring the schema up, take it down, or show its state.

    Up brings the tables back too; down takes them, and keeps the log.
    """
    from registry.database.connection import connect
    from registry.database.target import Target

    if (rehearse or purge) and direction != "down":
        raise InvalidInput("--rehearse and --purge belong to migrate down")
    with connect(Target.from_environment(), run.output.notice) as connection:
        if direction == "status":
            _status(run, connection)
        elif direction == "up":
            _up(run, connection)
        elif purge:
            _purge(run, connection, confirm)
        elif rehearse:
            _rehearse(run, connection)
        else:
            _down(run, connection, yes=yes)


def _status(run: Run, connection: "Connection") -> None:
    from registry.database.migrator import Migrator

    status = Migrator(connection).status()
    data = [{"number": s.number, "name": s.name, "applied_at": s.applied_at} for s in status]

    def text() -> None:
        run.output.table(
            ["migration", "name", "applied"],
            [[f"{s.number:03}", s.name, s.applied_at or "no"] for s in status],
        )

    run.output.result(data, text)


def _up(run: Run, connection: "Connection") -> None:
    from registry.rebuild.comparison import Watch
    from registry.services.schema.schema import bring_up

    with stage_progress(run.output, "Replaying") as progress:
        result = bring_up(connection, run.invocation, Watch(progress))
    run.output.result(_up_data(result), lambda: _tell_up(run, result))


def _up_data(result: "BroughtUp") -> dict[str, Any]:
    from registry.commands.rebuild import rebuilt_data

    rebuilt = {} if result.rebuilt is None else rebuilt_data(result.rebuilt)
    rebuilt.pop("differences", None)
    return {
        "migrations": result.migrations,
        "rebuilt": rebuilt or None,
        "references": result.references,
        "broken_references": result.broken,
        "stopped": result.stopped,
    }


def _tell_up(run: Run, result: "BroughtUp") -> None:
    from registry.commands.rebuild import tell_skipped

    for name in result.migrations:
        run.output.line(f"Applied {name}")
    if not result.migrations:
        run.output.line("The schema is up to date.")
    if result.rebuilt is not None:
        report = result.rebuilt.report
        tell_skipped(run.output, report)
        for table, counts in report.by_table().items():
            run.output.line(f"Brought back {counted(counts.missing, 'row')} of {table}")
        run.output.line(
            f"from {counted(report.size, 'event')}, in the same transaction (event "
            f"{result.rebuilt.position}); appends waited {result.rebuilt.locked_seconds:.2f} s."
        )
    for name in result.references:
        run.output.line(f"Added foreign key {name} again")
    for name in result.broken:
        run.output.notice(f"Warning: foreign key {name}")
    for sentence in result.stopped:
        run.output.notice(f"Refused from now on: {sentence}")


def _down(run: Run, connection: "Connection", *, yes: bool) -> None:
    from registry.rebuild.comparison import Watch
    from registry.services.schema.schema import contents, take_down

    found = contents(connection)
    if found.down:
        run.output.result(
            {"migrations": []}, lambda: run.output.line("The tables are down already.")
        )
        return
    for line in _what_happens(found):
        run.output.notice(line)
    run.confirm("Take the tables down?", yes=yes)
    with stage_progress(run.output, "Replaying") as progress:
        done = take_down(connection, run.invocation(), Watch(progress))

    def text() -> None:
        for name in done.migrations:
            run.output.line(f"Took down {name}")
        if done.recorded:
            run.output.line(f"Recorded first: the owners of {counted(done.recorded, 'position')}.")
        run.output.line("Everything comes back with: account-registry migrate up")

    run.output.result(asdict(done), text)


def _what_happens(found: "Contents") -> list[str]:
    tables = ", ".join(f"{name} ({counted(rows, 'row')})" for name, rows in found.tables.items())
    drops = (
        f"Drops: {tables} and strategy_positions.account_id "
        f"(owners of {counted(found.linked_positions, 'position')})."
    )
    stays = (
        f"Stays: the log ({counted(found.events, 'event')}) and "
        f"{counted(found.data_keys, 'data key')}, from which "
        "migrate up brings all of it back; the positions themselves."
    )
    lines = [drops, stays]
    if found.references:
        names = ", ".join(f"{key.table}.{key.constraint}" for key in found.references)
        lines.append(f"Foreign keys that go and come back: {names}.")
    return lines


def _rehearse(run: Run, connection: "Connection") -> None:
    from registry.rebuild.comparison import Watch
    from registry.services.schema.rehearsal import rehearse

    with stage_progress(run.output, "Replaying a copy") as progress:
        result = rehearse(connection, run.invocation(), Watch(progress))

    def text() -> None:
        for name, rows in result.rows.items():
            verdict = "DIFFERENT" if name in result.differences else "the same"
            run.output.line(f"{name}: {counted(rows, 'row')}, {verdict}")
        if "foreign keys" in result.differences:
            run.output.line("foreign keys: DIFFERENT")
        run.output.line(
            f"On a copy, down took {result.seconds_down:.1f} s and up {result.seconds_up:.1f} s. "
            "Nothing was changed."
        )

    run.output.result(asdict(result), text)
    if result.differences:
        run.exit_status = ExitStatus.VERIFICATION


def _purge(run: Run, connection: "Connection", confirm: str | None) -> None:
    from registry.services.schema.schema import purge

    if confirm is None:
        if not sys.stdin.isatty():
            raise ConfirmationNeeded(
                "this destroys the log and the keys, and there is no terminal to ask on",
                hint="Add --confirm with the name of the database if it is meant.",
            )
        sys.stderr.write(
            "This destroys every event and every key. No account, credential or history can "
            "ever come back.\nType the name of the database to go on: "
        )
        sys.stderr.flush()
        confirm = sys.stdin.readline().strip()
    names = [migration.file_name for migration in purge(connection, confirm)]

    def text() -> None:
        for name in names:
            run.output.line(f"Took down {name}")
        run.output.line("The registry is gone.")

    run.output.result({"migrations": names}, text)
