"""The verbs `run` and `runbot`: a program with an account's credentials takes their place."""

import os
import shlex
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from registry.commands._options import AccessOption, SubaccountChoice, wish_of
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import InvalidInput
from registry.hints import commands_of
from registry.plurals import counted
from registry.services.releases.file_formats import FileFormat

if TYPE_CHECKING:
    from registry.catalog.specification import ExchangeSpec
    from registry.services.releases.program_environment import PassedOn
    from registry.services.releases.releases import Releases

_ENV_FILE_PLACE = "{env-file}"
_NAMES_SHOWN = 6


@dataclass(frozen=True, slots=True)
class WantedCredentials:
    """Selects the account and the credentials that the program gets."""

    account: Annotated[str, typer.Option(metavar="ACCOUNT", help="Whose credentials it gets.")]
    exchange: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EXCHANGE",
            help="Only this one's credential, and it must be there; may be repeated.",
        ),
    ] = None
    subaccount: SubaccountChoice = None
    access: AccessOption = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the credentials are put, and what else the program gets."""

    env_file: Annotated[
        bool,
        typer.Option(
            "--env-file",
            help="Put the credentials into a file in memory instead of the environment; "
            f"{_ENV_FILE_PLACE} in an argument, and REGISTRY_ENV_FILE, are its path.",
        ),
    ] = False
    file_format: Annotated[
        FileFormat | None,
        typer.Option(
            "--format",
            help="The file's format, for --env-file: for python-dotenv; sh and systemd; docker "
            "run; JSON; or, with files, a file for each, whose path is in NAME_FILE.",
        ),
    ] = None
    pass_env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|PREFIX*",
            help="Pass on this variable too, or all that begin so and do not look like a "
            "credential; may be repeated. Quote the *.",
        ),
    ] = None


@verb(context_settings={"allow_interspersed_args": False})
def run(
    run: Run,
    command: Annotated[
        list[str],
        typer.Argument(metavar="-- COMMAND [ARGUMENT]…", help="The program and its arguments."),
    ],
    credentials: WantedCredentials,
    surroundings: Surroundings,
) -> None:
    """Start a program with an account's credentials.

    There is no shell in between. The program takes this process's place: signals reach
    it, and its exit code is the one that the caller sees. Of this environment it gets
    the variables of the system (PATH, HOME, LANG, PYTHONPATH and such) and those that
    --pass-env names.
    """
    _start(run, command, credentials, surroundings)


@verb(context_settings={"allow_interspersed_args": False})
def runbot(
    run: Run,
    credentials: WantedCredentials,
    surroundings: Surroundings,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- ARGUMENT…]", help="Its arguments, or another command."),
    ] = None,
) -> None:
    """Start runbot.py of the current folder, as run does.

    It starts RUNBOT_COMMAND if that is set, and else python3 runbot.py. Words behind -- that
    begin with - are its arguments; others are another command.
    """
    words = command or []
    if not words or words[0].startswith("-"):
        words = [*_entry(), *words]
    _start(run, words, credentials, surroundings)


def _entry() -> list[str]:
    try:
        return shlex.split(os.environ.get("RUNBOT_COMMAND", "")) or ["python3", "runbot.py"]
    except ValueError:
        raise InvalidInput(
            "RUNBOT_COMMAND cannot be split into words", hint="A quotation mark is not closed."
        ) from None


def _start(
    run: Run, command: list[str], credentials: WantedCredentials, surroundings: Surroundings
) -> None:
    from registry.services.releases import launching
    from registry.services.releases.program_environment import Wanted

    program = launching.find_program(command[0])
    wanted = Wanted.of(surroundings.pass_env or ())
    released, specs = _release(run, credentials, launching.short_name(program))
    values, without = launching.variables(released, specs)
    if without:
        run.output.notice(
            f"Warning: not passed on: {', '.join(without)}, for which there is no variable; "
            "see account-registry exchanges EXCHANGE."
        )
    passed_on = wanted.pick(specs.values())
    _tell_left_out(run, passed_on)
    environment = {**passed_on.variables, "REGISTRY_ACCOUNT": credentials.account}
    arguments = list(command)
    if surroundings.env_file or surroundings.file_format:
        paths = launching.files(values, surroundings.file_format or "dotenv")
        environment |= paths
        path = paths.get(launching.ENV_FILE, _ENV_FILE_PLACE)
        arguments = [argument.replace(_ENV_FILE_PLACE, path) for argument in arguments]
    else:
        environment |= {name: value.reveal() for name, value in values.items()}
    run.close()
    launching.become(program, arguments, environment)


def _release(
    run: Run, wanted: WantedCredentials, program: str
) -> "tuple[Releases, dict[str, ExchangeSpec]]":
    """The released credentials, and the specifications of their exchanges."""
    from registry.machine import host
    from registry.services.releases import key_locks
    from registry.services.releases.releases import Caller, ReleaseService

    actor = run.actor()
    service = ReleaseService(run.database, run.keyring())
    caller = Caller(actor=actor, host=host(), purpose=f"run {program}", reason=run.reason)
    wish = wish_of(wanted.subaccount, wanted.access)
    released = service.release(wanted.account, wanted.exchange, wish, caller)
    _tell_problems(run, released, {*(wanted.exchange or ()), *wish.subaccounts.chosen})
    for warning in key_locks.warnings(released.credentials.values(), across_exec=True):
        run.output.notice(f"Warning: {warning}")
    return released, {name: service.specification(name) for name in released.credentials}


def _tell_problems(run: Run, released: "Releases", named: AbstractSet[str]) -> None:
    """Tells what else the program lacks; what is named must be there."""
    for exchange, problem in released.problems.items():
        if exchange in named or not released.credentials:
            raise problem
    for warning in released.warnings():
        run.output.notice(f"Warning: {warning}")
    for exchange, problem in released.problems.items():
        run.output.notice(f"Warning: no {exchange} credential: {problem.message}")
        if problem.hint:
            run.output.notice(f"  {commands_of(problem.hint)}")


def _tell_left_out(run: Run, passed_on: "PassedOn") -> None:
    if passed_on.not_set:
        run.output.notice(f"Warning: not in the environment: {', '.join(passed_on.not_set)}.")
    if passed_on.left_out:
        shown = passed_on.left_out[:_NAMES_SHOWN]
        more = ", …" if len(passed_on.left_out) > len(shown) else ""
        run.output.notice(
            f"Not passed on: {counted(len(passed_on.left_out), 'variable')} "
            f"({', '.join(shown)}{more}); --pass-env NAME, or 'PREFIX*', passes on what it needs."
        )
