"""The verb `alerts`."""

import dataclasses
import signal
import threading
from pathlib import Path
from typing import Annotated, Literal

import typer

from registry.commands._options import FilesBeside
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import ExitStatus

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@verb()
def alerts(
    run: Run,
    action: Annotated[
        Literal["run", "test"],
        typer.Argument(help="run: tell until it is stopped; test: send each receiver a message."),
    ],
    files: FilesBeside,
    settings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Receivers and rules. [default: alerts.toml beside the key file]"
        ),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="With run: begin at the end of the log of today.")
    ] = False,
) -> None:
    """Tell somebody of problems and events.

    Each is told at least once, and never a value. An auditor's login is enough. With test, exit
    code 1 if a receiver took nothing.
    """
    from registry.machine import config_folder

    file = settings or config_folder() / "alerts.toml"
    if action == "run":
        _run(run, file, files, anew=anew)
        return
    found = run.registry.test_alerts(file)
    records = [{**dataclasses.asdict(one), "result": one.error or "took it"} for one in found]
    columns = {"receiver": "receiver", "what": "what", "result": "result"}
    run.output.result(found, lambda: run.output.records(columns, records))
    if any(one.error for one in found):
        run.exit_status = ExitStatus.FAILED


def _run(run: Run, file: Path, files: FilesBeside, *, anew: bool) -> None:
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in _ENDING}
    for number in _ENDING:
        signal.signal(number, lambda *_: stop.set())
    try:
        run.registry.run_alerts(file, stop=stop, anew=anew, told=run.output.notice, **files.given())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
