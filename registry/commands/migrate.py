"""The verbs `migrate` and `schema-down`."""

import sys
from dataclasses import asdict, dataclass, replace
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
    from registry.rebuild.repair import Rebuilt
    from registry.services.schema.schema import BroughtUp, Contents


_Direction = Literal["up", "down", "status", "repair"]


@dataclass(frozen=True, slots=True)
class DownOptions:
    """The ways down."""

    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="On the way down: only on a copy, and compare.")
    ] = False
    purge: Annotated[
        bool, typer.Option("--purge", help="On the way down: destroy the log and the keys too.")
    ] = False
    confirm: Annotated[
        str | None, typer.Option(metavar="DATABASE", help="With --purge: the database's name.")
    ] = None
    yes: Yes = False


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """How much a repair does."""

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With repair: only name what would be made again.")
    ] = False
    without_rows: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE",
            help="With repair: make it although its rows are lost. May be repeated.",
        ),
    ] = None


@verb()
def migrate(
    run: Run,
    direction: Annotated[
        _Direction,
        typer.Argument(
            help="up: apply what is missing; down: drop the tables, keep the log; "
            "repair: make again what went missing or was changed."
        ),
    ],
    down: DownOptions,
    repair: RepairOptions,
) -> None:
    """Bring the schema up, down, or show or repair it.

    Repair makes tables, views, columns, indexes, constraints, triggers, functions, rights, owners
    and roles as the migrations made them, and fills the tables from the log, all or nothing.
    """
    _migrate(run, direction, down, repair)


@verb()
def schema_down(run: Run, down: DownOptions) -> None:
    """Take the tables down, as migrate down does. The log and the keys stay.

    Everything comes back with migrate up.
    """
    _migrate(run, "down", down, RepairOptions())


def _migrate(run: Run, direction: _Direction, down: DownOptions, repair: RepairOptions) -> None:
    from registry.database.connection import connect_unchecked
    from registry.database.pooler import connect_directly
    from registry.database.target import Target

    if (down.rehearse or down.purge) and direction != "down":
        raise InvalidInput("--rehearse and --purge belong to migrate down")
    if (repair.dry_run or repair.without_rows) and direction != "repair":
        raise InvalidInput("--dry-run and --without-rows belong to migrate repair")
    opened = connect_directly if down.rehearse else connect_unchecked
    with opened(Target.from_environment(), run.output.notice) as connection:
        if direction == "status":
            _status(run, connection)
        elif direction == "repair":
            _repair(run, connection, repair.without_rows or [], dry_run=repair.dry_run)
        elif direction == "up":
            _up(run, connection, yes=down.yes)
        elif down.purge:
            _purge(run, connection, down.confirm)
        elif down.rehearse:
            _rehearse(run, connection)
        else:
            _down(run, connection, yes=down.yes)


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
    if _tell_what_will_stop(run, connection):
        run.exit_status = ExitStatus.VERIFICATION


def _tell_what_will_stop(run: Run, connection: "Connection") -> bool:
    from registry.database.outside import will_be_stopped

    stopped = will_be_stopped(connection)
    for sentence in stopped:
        run.output.notice(f"Will be refused after migrate up: {sentence}")
    return bool(stopped)


def _up(run: Run, connection: "Connection", *, yes: bool) -> None:
    from registry.rebuild.comparison import Watch
    from registry.services.schema.schema import bring_up

    # Without a terminal it goes on: a fleet that is half updated would stop every account.
    if not yes and sys.stdin.isatty() and _tell_what_will_stop(run, connection):
        run.confirm("Migrate all the same?", yes=False)
    with stage_progress(run.output, "Replaying") as progress:
        result = bring_up(connection, run.invocation, Watch(progress))
    run.output.result(_up_data(result), lambda: _tell_up(run, result))
    if result.damaged:
        for sentence in result.damaged:
            run.output.notice(f"Wrong: {sentence}")
        run.output.notice("Make it again: account-registry migrate repair")
        run.exit_status = ExitStatus.VERIFICATION


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
        "damaged": result.damaged,
    }


def _tell_up(run: Run, result: "BroughtUp") -> None:
    for name in result.migrations:
        run.output.line(f"Applied {name}")
    if not result.migrations:
        run.output.line("The schema is up to date.")
    if result.rebuilt is not None:
        _tell_rows(run, result.rebuilt)
    for name in result.references:
        run.output.line(f"Added foreign key {name} again")
    for name in result.broken:
        run.output.notice(f"Warning: foreign key {name}")
    for sentence in result.stopped:
        run.output.notice(f"Refused from now on: {sentence}")


def _tell_rows(run: Run, rebuilt: "Rebuilt") -> None:
    from registry.commands.rebuild import tell_skipped

    report = rebuilt.report
    tell_skipped(run.output, report)
    for table, counts in report.by_table().items():
        rows = counted(counts.missing + counts.changed, "row")
        run.output.line(f"Brought back {rows} of {table}")
    run.output.line(
        f"from {counted(report.size, 'event')}, in the same transaction (event "
        f"{rebuilt.position}); appends waited {rebuilt.locked_seconds:.2f} s."
    )


def _repair(run: Run, connection: "Connection", without_rows: list[str], *, dry_run: bool) -> None:
    from registry.commands.rebuild import rebuilt_data
    from registry.rebuild.comparison import Watch
    from registry.services.schema.mending import repair_schema

    invocation = replace(run.invocation(), dry_run=dry_run)
    with stage_progress(run.output, "Replaying") as progress:
        result = repair_schema(
            connection, invocation, without_rows=without_rows, watch=Watch(progress)
        )

    def text() -> None:
        for sentence in result.objects:
            run.output.line(f"{'Wrong' if dry_run else 'Mended'}: {sentence}")
        if not result.objects:
            run.output.line("Every object of the schema is as the migrations made it.")
        elif dry_run:
            run.output.line("Nothing was changed. Mend it: account-registry migrate repair")
        if result.rebuilt is not None:
            _tell_rows(run, result.rebuilt)

    rebuilt = None if result.rebuilt is None else rebuilt_data(result.rebuilt)
    run.output.result({"objects": result.objects, "dry_run": dry_run, "rebuilt": rebuilt}, text)


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
        run.output.notice(
            "This destroys every event and every key. No account, credential or history can "
            "ever come back."
        )
        confirm = run.output.ask("Type the name of the database to go on: ")
    names = [migration.file_name for migration in purge(connection, confirm)]

    def text() -> None:
        for name in names:
            run.output.line(f"Took down {name}")
        run.output.line("The registry is gone.")

    run.output.result({"migrations": names}, text)
