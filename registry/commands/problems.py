"""The verb `list-problems`."""

from dataclasses import dataclass
from typing import Annotated, Final

import typer

from registry.commands._given import without_secrets
from registry.commands._lists import ListOptions, columns, show_list
from registry.commands._options import FilesBeside, OptionalAccount
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import ExitStatus
from registry.hints import commands_of
from registry.services.problems.kinds import URGENT, KindName

_PROBLEMS: Final = columns(
    "list-problems",
    {
        "severity": "severity",
        "problem": "kind",
        "account": "account",
        "exchange": "exchange",
        "since": "since",
        "what": "text",
        "do": "hint",
    },
    {"id": "id"},
    under=("what", "do", "id"),
)


@dataclass(frozen=True, slots=True)
class ProblemFilter:
    """Which problems to list."""

    account: OptionalAccount = None
    kind: Annotated[KindName | None, typer.Option(help="Only these.")] = None


@verb()
def list_problems(run: Run, only: ProblemFilter, files: FilesBeside, how: ListOptions) -> None:
    """List what is wrong or soon will be, and what to do.

    An auditor's login is enough. Exit code 6 if something is due, damaged, or refused by its
    exchange.
    """
    found = run.registry.problems(only.account, kind=only.kind, **files.given())
    records = [
        {
            "severity": problem.severity,
            "kind": problem.kind,
            "account": problem.account,
            "exchange": problem.exchange,
            "since": problem.since,
            "text": without_secrets(problem.text),
            "hint": without_secrets(commands_of(problem.hint)),
            "id": problem.id,
        }
        for problem in found
    ]
    asked = any((only.account, only.kind))
    show_list(run, how, _PROBLEMS, records, lambda: "None of that." if asked else "No problems.")
    if any(problem.kind in URGENT for problem in found):
        run.exit_status = ExitStatus.VERIFICATION
