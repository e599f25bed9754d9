"""All verbs by name, each with its module, which is imported when the verb is used."""

import importlib
import re
import sys
from itertools import takewhile
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from registry.commands._given import remember
from registry.commands._verb import COMMANDS

_GROUPS: Final = (
    (
        "Accounts",
        ("accounts", "create-account update-account rename-account deactivate-account"),
        ("accounts", "reactivate-account delete-account"),
        ("lists", "list-accounts show-account"),
    ),
    (
        "Credentials",
        ("credentials", "add-credential replace-credential update-credential"),
        ("rotating", "rotate-credential"),
        ("credentials", "deactivate-credential reactivate-credential remove-credential"),
        ("lists", "list-credentials"),
        ("checking", "check-credential"),
        ("reveal", "reveal-credential"),
        ("exchanges", "exchanges add-exchange update-exchange remove-exchange"),
    ),
    (
        "Bots: running, sharing, positions",
        ("program", "run runbot"),
        ("bots", "add-bot remove-bot"),
        ("sharing", "resolve share unshare list-shares"),
        ("access", "grant-access revoke-access list-access"),
        ("positions", "link-positions unlink-positions list-positions"),
    ),
    (
        "Taking in what there is",
        ("importing", "import-env import-config"),
        ("adoption", "adopt"),
    ),
    (
        "Looking back",
        ("history", "history"),
        ("rollback", "rollback"),
        ("exposure", "who-could-use blast-radius"),
        ("whose_key", "whose-key"),
        ("audit", "verify checkpoint prove verify-proof generate-checkpoint-key"),
    ),
    (
        "Keeping it in order",
        ("doctor", "doctor"),
        ("problems", "list-problems"),
        ("serving", "serve"),
        ("monitor", "monitor"),
        ("metrics", "metrics"),
        ("alerts", "alerts"),
        ("stops", "stop resume"),
        ("keys", "generate-key rotate-master-key destroy-secrets"),
        ("migrate", "migrate schema-down"),
        ("backups", "restore-drill"),
        ("rebuild", "rebuild"),
        ("sessions", "end-session"),
        ("embedded", "embedded"),
    ),
)
"""The verbs as the help groups them, in the order of a user's day, with their modules."""

GROUPS: Final = {
    title: {verb: module for module, verbs in lines for verb in verbs.split()}
    for title, *lines in _GROUPS
}
VERBS: Final = {verb: module for verbs in GROUPS.values() for verb, module in verbs.items()}
"""Verb -> its module, in the order in which the help lists them."""

_SUMMARY: Final = 200  # longer than any, so that none is cut
_VALUE_IS_NOT: Final = re.compile(r"""(^|: )(['"]).*\2 is not""", re.DOTALL)
_NUMBER: Final = re.compile("a valid int(eger)?( range)?")


class _LazyCommands(dict[str, Any]):
    """The verbs as Typer commands, made on first access; until then, the names of their modules."""

    def __getitem__(self, verb: str) -> Any:
        made = super().__getitem__(verb)
        if isinstance(made, str):
            importlib.import_module(f"registry.commands.{made}")
            made = self[verb] = get_group(COMMANDS[verb]).commands[verb]
        return made

    def get(self, verb: str, default: Any = None) -> Any:
        return self[verb] if super().get(verb) else default


class _Verbs(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _LazyCommands(VERBS)

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        """Lists the verbs in their groups, each with its whole summary."""
        for title, verbs in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(verb, self.commands[verb].get_short_help_str(_SUMMARY)) for verb in verbs]
                )

    def main(self, args: Any = None, *rest: Any, **extra: Any) -> Any:
        """Runs a command line; a usage error is reported without the words that caused it."""
        words = sys.argv[1:] if args is None else list(args)
        remember(words)
        try:
            sys.exit(super().main(words, *rest, **{**extra, "standalone_mode": False}))
        except typer.exceptions.TyperException as error:
            sys.exit(_tell(words, error))


def build() -> Any:
    """The command line as a callable."""
    app = typer.Typer(
        cls=_Verbs,
        name="account-registry",
        help="Accounts, exchange credentials and sharing for trading bots: every change is an "
        "event, nothing is lost, and nobody sees a secret without a trace.",
        epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 refused, "
        "6 verification failed, drift, or something is due, 7 database or key unavailable.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_root)
    return typer.main.get_command(app)


def _tell(words: list[str], error: Any) -> int:
    """Reports a wrong command line as any other error."""
    from registry.commands._output import Output
    from registry.errors import InvalidInput

    if not words:  # the error is the help
        error.show(sys.stderr)
        return int(error.exit_code)
    verb = next((word for word in words if word in VERBS), "")
    message = _without_values(" ".join(error.format_message().split()))
    wrong = InvalidInput(message, hint=f"Try: {' '.join(f'account-registry {verb}'.split())} -h")
    as_json = "--json" in takewhile(lambda word: word != "--", words)
    Output(verb, as_json=as_json).error(wrong)
    return wrong.exit_status


def _without_values(message: str) -> str:
    """A message of Typer's without the user's values: each may be a secret of any form."""
    if message.startswith("Got unexpected extra argument"):
        return (
            "There are more arguments than it takes (they are not shown). A text with spaces "
            "needs quotes; a secret is never an argument."
        )
    return _NUMBER.sub("a whole number", _VALUE_IS_NOT.sub(r"\1it is not", message))


def _version(show: bool) -> None:
    if show:
        from registry import __version__

        typer.echo(f"account-registry {__version__}")
        raise typer.Exit


def _root(
    *,
    version: bool = typer.Option(
        False,
        "--version",
        is_eager=True,
        help="Show the version and exit.",
        callback=_version,
    ),
) -> None:
    pass
