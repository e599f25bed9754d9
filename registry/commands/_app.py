"""All verbs by name, and where each is defined. A verb's module is imported when it is used."""

import importlib
import io
import re
import sys
from collections.abc import Iterator, MutableMapping
from itertools import takewhile
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from registry.commands._given import remember, without_secrets

VERBS: Final = {
    "create-account": "accounts",
    "update-account": "accounts",
    "rename-account": "accounts",
    "deactivate-account": "accounts",
    "reactivate-account": "accounts",
    "delete-account": "accounts",
    "list-accounts": "lists",
    "show-account": "lists",
    "add-credential": "credentials",
    "replace-credential": "credentials",
    "update-credential": "credentials",
    "deactivate-credential": "credentials",
    "reactivate-credential": "credentials",
    "remove-credential": "credentials",
    "list-credentials": "lists",
    "share": "sharing",
    "unshare": "sharing",
    "list-shares": "sharing",
    "resolve": "sharing",
    "grant-access": "sharing",
    "revoke-access": "sharing",
    "list-access": "sharing",
    "run": "program",
    "import-env": "importing",
    "import-config": "importing",
    "adopt": "adoption",
    "history": "history",
    "link-positions": "positions",
    "unlink-positions": "positions",
    "list-positions": "positions",
    "rebuild": "rebuild",
    "rollback": "rollback",
    "exchanges": "exchanges",
    "add-exchange": "exchanges",
    "reveal-credential": "reveal",
    "who-could-use": "exposure",
    "blast-radius": "exposure",
    "verify": "audit",
    "checkpoint": "audit",
    "prove": "audit",
    "verify-proof": "audit",
    "generate-checkpoint-key": "audit",
    "generate-key": "keys",
    "rotate-master-key": "keys",
    "destroy-secrets": "keys",
    "migrate": "migrate",
    "doctor": "doctor",
    "end-session": "sessions",
    "embedded": "embedded",
}
"""In the order in which the help lists them."""

_VALUE_IS_NOT: Final = re.compile(r"""^(['"]).*\1 is not""", re.DOTALL)


class _LazyCommands(MutableMapping[str, Any]):
    """The verbs as Typer's commands, made when they are asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, verb: str) -> Any:
        if verb not in self._made:
            module = importlib.import_module(f"registry.commands.{VERBS[verb]}")
            module.app.rich_markup_mode = None  # brackets in help texts are brackets
            self._made.update(get_group(module.app).commands)
        return self._made[verb]

    def __setitem__(self, verb: str, command: Any) -> None:
        self._made[verb] = command

    def __delitem__(self, verb: str) -> None:
        del self._made[verb]

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)

    def __contains__(self, verb: object) -> bool:
        return verb in VERBS


class _Verbs(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _LazyCommands()

    def main(self, args: Any = None, *rest: Any, **extra: Any) -> Any:
        """Runs a command line; what is wrong with it is told without the words that are wrong."""
        words = sys.argv[1:] if args is None else list(args)
        remember(words)
        try:
            sys.exit(super().main(words, *rest, **{**extra, "standalone_mode": False}))
        except typer.exceptions.TyperException as error:
            _take_values_out(error)
            if "--json" in takewhile(lambda word: word != "--", words):
                sys.exit(_tell_as_json(words, error))
            sys.exit(_tell(error))


def build() -> Any:
    """The command line as something to call."""
    app = typer.Typer(
        cls=_Verbs,
        name="account-registry",
        help="Accounts, exchange credentials and sharing for trading bots: every change is an "
        "event, nothing is lost, and nobody sees a secret without a trace.",
        epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 refused, "
        "6 verification failed or drift, 7 database or key unavailable.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_root)
    return typer.main.get_command(app)


def _take_values_out(error: Any) -> None:
    """Takes out of an error of Typer what the user gave: it may be a secret of any form."""
    if error.message.startswith("Got unexpected extra argument"):
        error.message = (
            "There are more arguments than it takes (they are not shown). A text with spaces "
            "needs quotes; a secret is never an argument."
        )
    error.message = _VALUE_IS_NOT.sub("it is not", error.message)


def _tell(error: Any) -> int:
    text = io.StringIO()
    error.show(text)
    sys.stderr.write(without_secrets(text.getvalue()))
    return int(error.exit_code)


def _tell_as_json(words: list[str], error: typer.exceptions.TyperException) -> int:
    from registry.commands._output import Output
    from registry.errors import InvalidInput

    verb = next((word for word in words if word in VERBS), "")
    message = getattr(error, "format_message", lambda: "aborted")()
    wrong = InvalidInput(message, hint=f"Try: {' '.join(f'account-registry {verb}'.split())} -h")
    Output(verb, as_json=True).error(wrong)
    return wrong.exit_status


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
