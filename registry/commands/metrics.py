"""The verb `metrics`."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from registry.commands._options import FilesBeside
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import ExitStatus, InvalidInput


@verb()
def metrics(
    run: Run,
    files: FilesBeside,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS:PORT", help="Serve them over HTTP, such as at 127.0.0.1:9187."
        ),
    ] = None,
    any_address: Annotated[
        bool,
        typer.Option("--any-address", help="Listen where other machines can ask, without a login."),
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write them into a file, as a whole or not at all."),
    ] = None,
    most: Annotated[
        int,
        typer.Option(
            "--series", metavar="N", min=1, max=1_000_000, help="How many series a metric may have."
        ),
    ] = 5000,
) -> None:
    """Print figures for Prometheus, or serve them.

    An auditor's login is enough. If the database cannot be read, account_registry_up is 0; printed
    once, the exit code is 7 then. It needs the package prometheus_client.
    """
    if listen is not None and to is not None:
        raise InvalidInput("--listen and --to exclude each other")
    if listen is not None:
        with contextlib.suppress(KeyboardInterrupt):
            run.registry.serve_metrics(
                listen,
                any_address=any_address,
                ready=lambda address: run.output.notice(f"Serving {address}"),
                most=most,
                **files.given(),
            )
        return
    text = run.registry.metrics(most=most, **files.given())
    if to is not None:
        from registry.machine import replace_file

        replace_file(to, text, mode=0o644)
    else:
        run.output.result(text, lambda: _print(run, text))
    if "\naccount_registry_up 0.0\n" in text:
        run.output.notice("The database cannot be read: account-registry doctor says why.")
        run.exit_status = ExitStatus.UNAVAILABLE


def _print(run: Run, text: str) -> None:
    """Prints it as it is, or to people: what reads it knows no escapes but its own."""
    if sys.stdout.isatty():
        run.output.lines(text.rstrip("\n"))
    else:
        sys.stdout.write(text)
