"""The common part of all verbs: options, error output and exit codes."""

import dataclasses
import errno
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from registry.commands._complete import COMPLETIONS
from registry.commands._output import Output
from registry.commands._run import Run
from registry.errors import ExitStatus, InvalidInput, RegistryError
from registry.machine import no_core_dumps, refuse_secret_as_path

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
_Actor = Annotated[
    str | None,
    typer.Option("--actor", metavar="NAME", help="Who acts. [default: the user at this host]"),
]
_Reason = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept in the history.")
]
_Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback after an error.")]
_CommandId = Annotated[
    str | None,
    typer.Option(
        "--command-id",
        metavar="UUID",
        help="Name this command, so that sending it again cannot apply it twice.",
    ),
]
_ExpectedVersion = Annotated[
    int | None,
    typer.Option(
        "--expected-version",
        metavar="N",
        help="Refuse if the account's version is another (see show-account).",
    ),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")]

_COMMON = {
    "json": (_Json, False),
    "actor": (_Actor, None),
    "reason": (_Reason, None),
    "debug": (_Debug, False),
}
_CHANGING = {
    "command_id": (_CommandId, None),
    "expected_version": (_ExpectedVersion, None),
    "dry_run": (_DryRun, False),
}

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Verb = Callable[..., None]


COMMANDS: Final[dict[str, typer.Typer]] = {}
"""The verbs whose modules are imported, each alone in a Typer."""


def verb(*, changes: bool = False, **settings: Any) -> Callable[[Verb], Verb]:
    """Registers a function as a verb; its first parameter is a `Run`, then come its own options.

    The options common to all verbs, and those common to all changes, are added. A parameter
    whose type is a dataclass is expanded into one option per field. Errors become one or two
    lines and the documented exit code.
    """
    options = {**(_CHANGING if changes else {}), **_COMMON}

    def decorate(function: Verb) -> Verb:
        name = function.__name__.replace("_", "-")
        own, groups = _own_parameters(function)
        added = [
            inspect.Parameter(
                option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
            for option, (annotation, default) in options.items()
        ]
        keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]

        def call(**given: Any) -> None:
            common = {option: given.pop(option) for option in options}
            raise typer.Exit(_guarded(name, _grouping(function, groups), common, given))

        for parameter in own:
            for option in getattr(parameter.annotation, "__metadata__", ()):
                by_metavar = COMPLETIONS.get((option.metavar or "").strip("[]"))
                option.autocompletion = by_metavar or COMPLETIONS.get(option.default)
        call.__name__ = function.__name__
        call.__doc__ = function.__doc__
        call.__signature__ = inspect.Signature([*keyword_only, *added])  # type: ignore[attr-defined]
        call.__annotations__ = {p.name: p.annotation for p in [*keyword_only, *added]}
        COMMANDS[name] = typer.Typer(rich_markup_mode=None)  # brackets in help texts are brackets
        COMMANDS[name].command(name, **settings)(call)
        return call

    return decorate


def _own_parameters(
    function: Verb,
) -> tuple[list[inspect.Parameter], dict[str, tuple[Any, list[str]]]]:
    """The parameters after the `Run`, and for each dataclass parameter its type and fields."""
    own: list[inspect.Parameter] = []
    groups: dict[str, tuple[Any, list[str]]] = {}
    for parameter in list(inspect.signature(function, eval_str=True).parameters.values())[1:]:
        group = parameter.annotation
        if isinstance(group, type) and dataclasses.is_dataclass(group):
            fields = list(inspect.signature(group).parameters.values())
            groups[parameter.name] = (group, [field.name for field in fields])
            own += fields
        else:
            own.append(parameter)
    return own, groups


def _grouping(function: Verb, groups: dict[str, tuple[Any, list[str]]]) -> Verb:
    def call(run: Run, **given: Any) -> None:
        for name, (group, fields) in groups.items():
            given[name] = group(**{field: given.pop(field) for field in fields})
        function(run, **given)

    return call


def _guarded(name: str, function: Verb, common: dict[str, Any], given: dict[str, Any]) -> int:
    # Prompts, files, addresses and keys: each verb may hold a secret.
    no_core_dumps(nor_debuggers=True)
    output = Output(name, as_json=common["json"])
    debug = common["debug"] or os.environ.get("REGISTRY_DEBUG") == "1"
    run = Run(output, common)
    try:
        _check_texts({**common, **given})
        function(run, **given)
    except RegistryError as error:
        output.error(error)
        if debug:
            _show_traceback()
        return error.exit_status
    except BrokenPipeError:
        # The reader of the output has gone, so nothing more is written.
        _drop_output()
        return ExitStatus.FAILED
    except (typer.Exit, typer.Abort, KeyboardInterrupt):
        raise
    except Exception as error:  # noqa: BLE001 - the last resort of the command line
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            _drop_output()
            output.error(_no_room(error))
            return ExitStatus.FAILED
        if (lost := _lost_connection(error)) is not None:
            output.error(lost)
            return lost.exit_status
        # An unexpected error's text may contain anything, so only its type is shown.
        output.error(
            RegistryError(
                f"unexpected {type(error).__name__}",
                hint="This is a defect of the program. Run again with --debug and report it.",
            )
        )
        if debug:
            _show_traceback()
        return ExitStatus.FAILED
    finally:
        run.close()
    return run.exit_status


def _drop_output() -> None:
    """Redirects standard output to /dev/null, so that unwritten data is not retried at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lost_connection(error: Exception) -> RegistryError | None:
    """The error to report for an unexpectedly lost connection; None for any other error."""
    import psycopg

    from registry.database.errors import connection_lost, lost

    return lost(error) if isinstance(error, psycopg.Error) and connection_lost(error) else None


def _no_room(error: OSError) -> RegistryError:
    return RegistryError(
        f"the output cannot be written: {error.strerror}",
        hint="What the command changes may be changed all the same: see account-registry history.",
    )


def _show_traceback() -> None:
    """Prints a traceback without the values and texts of exceptions."""
    import traceback

    kind, _, trace = sys.exc_info()
    sys.stderr.write("".join(traceback.format_tb(trace)))
    sys.stderr.write(f"{kind.__name__ if kind else ''}\n")


def _check_texts(given: dict[str, Any]) -> None:
    for option, value in given.items():
        for text in value if isinstance(value, list | tuple) else [value]:
            if isinstance(text, str | Path):
                _check_text(option.replace("_", "-"), text)


def _check_text(option: str, text: str | Path) -> None:
    if any("\ud800" <= c <= "\udfff" or c == "\0" for c in str(text)):
        raise InvalidInput(f"{option} is not valid UTF-8 text")
    if isinstance(text, Path):
        refuse_secret_as_path(str(text), f"--{option}")
