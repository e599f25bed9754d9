"""The verb `rollback`."""

import itertools
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from registry.commands._changes import events_of, sentence, tell_notes
from registry.commands._options import Yes, moment_of
from registry.commands._output import Output
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.plurals import counted

if TYPE_CHECKING:
    from registry.services.changes.rollback import Preview


@verb(changes=True)
def rollback(
    run: Run,
    to: Annotated[
        str,
        typer.Option(
            metavar="POSITION|TIME",
            help="Back to how it was after this event, or at this time, such as -1d.",
        ),
    ],
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="Only this account.")
    ] = None,
    skip: Annotated[bool, typer.Option("--skip", help="Leave out what cannot come back.")] = False,
    yes: Yes = False,
) -> None:
    """Undo what happened to accounts since.

    The history grows, and this can be undone too.
    """
    by = run.by
    moment = moment_of(to, "--to")
    preview = run.registry.plan_rollback(moment, account=account, skip=skip)
    if by["command_id"] is None and preview.event_types and not run.output.as_json:
        _show(run.output, preview)
    if preview.event_types and not (preview.lost and not skip):
        count = len(preview.event_types)
        run.confirm(f"Append {counted(count, 'event')} to go back?", yes=yes)
    seen = None if by["command_id"] else preview
    outcome = run.registry.rollback(moment, account=account, skip=skip, seen=seen, **by)
    data = {
        "to": preview.position,
        "plan": [asdict(line) for line in preview.lines],
        "skipped": preview.lost,
        **events_of(outcome),
    }
    done = f"rolled back to {preview.where}"
    run.output.result(data, lambda: run.output.line(sentence(outcome, done)))
    tell_notes(run, outcome)


def _show(output: Output, preview: "Preview") -> None:
    by_account = sorted(preview.lines, key=lambda line: line.account)
    for name, lines in itertools.groupby(by_account, key=lambda line: line.account):
        output.line(name)
        for line in lines:
            output.line(f"  {line.sign} {line.text}")
    for what in preview.lost:
        output.line(f"! {what}")
