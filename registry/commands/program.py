"""The verbs `run` and `runbot`: a program with an account's credentials takes their place.

With `--watch` they stay, and start the program again when what it was given changes.
"""

import os
import shlex
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from registry.commands._options import AccessOption, SubaccountChoice, wish_of
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.commands._watch import WatchOptions, supervise
from registry.errors import InvalidInput
from registry.hints import commands_of
from registry.plurals import counted
from registry.services.releases.file_formats import FileFormat

if TYPE_CHECKING:
    from registry.catalog.specification import ExchangeSpec
    from registry.services.releases.program_environment import PassedOn
    from registry.services.releases.releases import Releases
    from registry.services.supervising.candidate import Gate

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


@dataclass(frozen=True, slots=True)
class Launch:
    """A program to start, and what it gets."""

    program: str
    command: list[str]
    credentials: WantedCredentials
    surroundings: Surroundings


@verb(context_settings={"allow_interspersed_args": False})
def run(
    run: Run,
    command: Annotated[
        list[str],
        typer.Argument(metavar="-- COMMAND [ARGUMENT]…", help="The program and its arguments."),
    ],
    credentials: WantedCredentials,
    surroundings: Surroundings,
    watch: WatchOptions,
) -> None:
    """Start a program with an account's credentials.

    There is no shell in between. The program takes this process's place: signals reach
    it, and its exit code is the one that the caller sees. Of this environment it gets
    the variables of the system (PATH, HOME, LANG, PYTHONPATH and such) and those that
    --pass-env names.

    With --watch this process stays. It starts the program again when one of its credentials
    was replaced, and stops it (exit code 5) when it may not use them any more.
    """
    _start(run, command, credentials, surroundings, watch)


@verb(context_settings={"allow_interspersed_args": False})
def runbot(
    run: Run,
    credentials: WantedCredentials,
    surroundings: Surroundings,
    watch: WatchOptions,
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
    _start(run, words, credentials, surroundings, watch)


def _entry() -> list[str]:
    try:
        return shlex.split(os.environ.get("RUNBOT_COMMAND", "")) or ["python3", "runbot.py"]
    except ValueError:
        raise InvalidInput(
            "RUNBOT_COMMAND cannot be split into words", hint="A quotation mark is not closed."
        ) from None


def _start(
    run: Run,
    command: list[str],
    credentials: WantedCredentials,
    surroundings: Surroundings,
    watch: WatchOptions,
) -> None:
    from registry.services.releases import launching
    from registry.services.releases.changes import Asked
    from registry.services.releases.program_environment import Wanted

    launch = Launch(launching.find_program(command[0]), command, credentials, surroundings)
    Wanted.of(surroundings.pass_env or ())  # a wrong one is told before anything is released
    manner = watch.manner()
    if manner is None:
        _become(run, launch)
    name = launching.short_name(launch.program)
    wish = wish_of(credentials.subaccount, credentials.access)
    asked = Asked(credentials.account, credentials.exchange, wish)
    run.exit_status = supervise(run, name, manner, asked, lambda gate: _become(run, launch, gate))


def _become(run: Run, launch: Launch, gate: "Gate | None" = None) -> NoReturn:
    """Loads, waits at the gate of a supervisor if there is one, and becomes the program."""
    from registry.services.releases import key_locks, launching
    from registry.services.releases.program_environment import Wanted

    account, surroundings = launch.credentials.account, launch.surroundings
    released, specs = _release(run, launch.credentials, launching.short_name(launch.program))
    values, without = launching.variables(released, specs)
    passed_on = Wanted.of(surroundings.pass_env or ()).pick(specs.values())
    environment = {**passed_on.variables, "REGISTRY_ACCOUNT": account}
    arguments = list(launch.command)
    if surroundings.env_file or surroundings.file_format:
        paths = launching.files(values, surroundings.file_format or "dotenv")
        environment |= paths
        path = paths.get(launching.ENV_FILE, _ENV_FILE_PLACE)
        arguments = [argument.replace(_ENV_FILE_PLACE, path) for argument in arguments]
    else:
        environment |= {name: value.reveal() for name, value in values.items()}
    run.close()
    if gate is not None:
        given = {name: found.plain() for name, found in released.credentials.items()}
        gate.pass_with(given, released.problems)
        environment |= launching.as_the_first_process(environment)
    # Said, and locked, only now: where nothing has changed, the program that runs goes on.
    _tell_problems(run, released)
    for warning in key_locks.warnings(released.credentials.values(), across_exec=True):
        run.output.notice(f"Warning: {warning}")
    if gate is None or gate.is_first:
        _tell_left_out(run, passed_on, without)
    launching.become(launch.program, arguments, environment)


def _release(
    run: Run, wanted: WantedCredentials, program: str
) -> "tuple[Releases, dict[str, ExchangeSpec]]":
    """The released credentials, and the specifications of their exchanges.

    Raises:
        RegistryError: what is named is not there, or nothing is.
    """
    from registry.machine import host
    from registry.services.releases.releases import Caller, ReleaseService

    actor = run.actor()
    service = ReleaseService(run.database, run.keyring())
    caller = Caller(actor=actor, host=host(), purpose=f"run {program}", reason=run.reason)
    wish = wish_of(wanted.subaccount, wanted.access)
    released = service.release(wanted.account, wanted.exchange, wish, caller)
    _must_have(released, {*(wanted.exchange or ()), *wish.subaccounts.chosen})
    return released, {name: service.specification(name) for name in released.credentials}


def _must_have(released: "Releases", named: AbstractSet[str]) -> None:
    for exchange, problem in released.problems.items():
        if exchange in named or not released.credentials:
            raise problem


def _tell_problems(run: Run, released: "Releases") -> None:
    """Tells what else the program lacks."""
    for warning in released.warnings():
        run.output.notice(f"Warning: {warning}")
    for exchange, problem in released.problems.items():
        run.output.notice(f"Warning: no {exchange} credential: {problem.message}")
        if problem.hint:
            run.output.notice(f"  {commands_of(problem.hint)}")


def _tell_left_out(run: Run, passed_on: "PassedOn", without: list[str]) -> None:
    if without:
        run.output.notice(
            f"Warning: not passed on: {', '.join(without)}, for which there is no variable; "
            "see account-registry exchanges EXCHANGE."
        )
    if passed_on.not_set:
        run.output.notice(f"Warning: not in the environment: {', '.join(passed_on.not_set)}.")
    if passed_on.left_out:
        shown = passed_on.left_out[:_NAMES_SHOWN]
        more = ", …" if len(passed_on.left_out) > len(shown) else ""
        run.output.notice(
            f"Not passed on: {counted(len(passed_on.left_out), 'variable')} "
            f"({', '.join(shown)}{more}); --pass-env NAME, or 'PREFIX*', passes on what it needs."
        )
