"""The verb `embedded`: the PostgreSQL that the registry runs itself."""

from typing import Annotated, Literal

import typer

from registry.commands._run import Run
from registry.commands._verb import verb


@verb()
def embedded(
    run: Run,
    action: Annotated[
        Literal["status", "start", "stop", "url"],
        typer.Argument(help="What to do with the server; url is for psql and pg_dump."),
    ] = "status",
) -> None:
    """Look at, start or stop the embedded PostgreSQL.

    It is used without DATABASE_URL.
    """
    from registry.database.embedded import EmbeddedServer

    server = EmbeddedServer(notice=run.output.notice)
    ran = server.running_address() is not None
    if action in ("start", "url"):
        server.ensure_running()
    elif action == "stop":
        server.stop()
    address = server.running_address()
    data = {"running": address is not None, "url": address, "folder": str(server.pgdata)}

    def text() -> None:
        if action == "url":
            run.output.line(address or "")
            return
        stopped = "is stopped" if ran else "does not run"
        run.output.line(f"The embedded PostgreSQL {'runs' if address else stopped}.")
        run.output.line(f"Its data is in {server.pgdata}.")

    run.output.result(data, text)
