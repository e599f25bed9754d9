"""The verb `monitor`."""

import sys
from typing import Annotated

import typer

from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import InvalidInput, MissingExtra


@verb()
def monitor(
    run: Run,
    view: Annotated[
        str, typer.Argument(metavar="[VIEW]", help="The view to begin with.")
    ] = "problems",
    only: Annotated[
        str,
        typer.Option(
            "--only",
            metavar="FILTER",
            help="Such as 'account=grid_* state=attention'; other words are part of a text.",
        ),
    ] = "",
) -> None:
    """Show all accounts in the terminal, live. An auditor's login is enough.

    Views: problems, accounts, credentials, shares, positions, releases. It shows no secret and
    changes nothing. The key ? explains the others.
    """
    from registry.services.views.reading import view_of

    begin = view_of(view)
    try:
        from registry.terminal.app import Monitor
    except ImportError:
        raise MissingExtra.of("textual") from None
    if run.output.as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidInput(
            "monitor needs a terminal",
            hint="For a program: account-registry list-problems --json",
        )
    from registry.database.opening import SingleConnection
    from registry.database.target import Target
    from registry.registry import Registry
    from registry.terminal.filtering import parse

    def notice(text: str) -> None:
        (app.say if app.is_running else run.output.notice)(text)

    # Its own connection: what a wait has to say is said on the screen.
    with Registry(SingleConnection(Target.from_environment(), notice)) as registry:
        # Without a database, or rights, it does not begin.
        app = Monitor(registry, begin, parse(only), registry.views.exchanges())
        app.run()
        if app.failure is not None:
            raise app.failure
