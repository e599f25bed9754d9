"""The verb `migrate`."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from registry.commands._run import Run
from registry.commands._verb import verb
from registry.commands.accounts import Yes

if TYPE_CHECKING:
    from registry.database.migrator import Migrator

app = typer.Typer()


@app.command("migrate")
@verb("migrate")
def migrate(
    run: Run,
    direction: Annotated[
        Literal["up", "down", "status"],
        typer.Argument(help="up: apply what is missing; down: drop the tables, keep the log."),
    ],
    yes: Yes = False,
) -> None:
    """Bring the database's schema up, take its tables down, or show where it is."""
    from registry.database.connection import connect
    from registry.database.migrator import Migrator
    from registry.database.target import Target

    with connect(Target.from_environment(), run.output.notice) as connection:
        migrator = Migrator(connection)
        if direction == "status":
            _status(run, migrator)
        elif direction == "up":
            applied = [m.file_name for m in migrator.up()]
            _tell(run, "Applied", applied, "The schema is up to date.")
        else:
            run.confirm(
                "Drop accounts, account_exchange_credentials, account_exchange_sharing and "
                "strategy_positions.account_id? The log and the keys stay.",
                yes=yes,
            )
            undone = [m.file_name for m in migrator.down()]
            _tell(run, "Took down", undone, "The tables are down already.")


def _status(run: Run, migrator: "Migrator") -> None:
    status = migrator.status()
    data = [{"number": s.number, "name": s.name, "applied_at": s.applied_at} for s in status]

    def text() -> None:
        run.output.table(
            ["migration", "name", "applied"],
            [[f"{s.number:03}", s.name, s.applied_at or "no"] for s in status],
        )

    run.output.result(data, text)


def _tell(run: Run, verb: str, names: list[str], nothing: str) -> None:
    def text() -> None:
        for name in names:
            run.output.line(f"{verb} {name}")
        if not names:
            run.output.line(nothing)

    run.output.result({"migrations": names}, text)
