"""Verbs about bots' own logins: add-bot and remove-bot."""

import contextlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from registry.commands._changes import events_of, sentence, tell_notes
from registry.commands._options import AccountName, Yes
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import Conflict, ExitStatus, InvalidInput
from registry.plurals import counted

if TYPE_CHECKING:
    from registry.encryption.secret import Secret
    from registry.services.changes.bots import NewBot, RemovedBot

_PROGRAM: Final = "/opt/account-registry/bin/account-registry"
_KEY_FILE: Final = "/etc/account-registry/master.key"


@verb(changes=True)
def add_bot(
    run: Run,
    account: AccountName,
    login: Annotated[
        str | None, typer.Option(metavar="NAME", help="The login's name. [default: the account's]")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the secret to this new file, mode 0600."),
    ] = None,
    kind: Annotated[
        Literal["env", "systemd", "compose"],
        typer.Option(
            "--format",
            help="What is printed: variables; or a unit or a service, which read the address "
            "from --out FILE.",
        ),
    ] = "env",
    no_password: Annotated[
        bool,
        typer.Option("--no-password", help="The server knows it otherwise: peer, certificate."),
    ] = False,
    new_password: Annotated[
        bool, typer.Option("--new-password", help="Only give the account's login a new password.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="The unit or the service starts it with run --watch."),
    ] = False,
) -> None:
    """Make a login for one account, and its bot's settings.

    The address with its password is shown once, and never stored by the registry.
    """
    if kind != "env" and out is None:
        raise InvalidInput(
            f"a {kind} file is no place for a secret, which goes into a file of its own",
            hint="Name that file: --out FILE",
        )
    by = run.by
    if new_password and (no_password or by["command_id"] or by["expected_version"] is not None):
        raise InvalidInput(
            "--new-password is no event: it takes no --no-password, --command-id or "
            "--expected-version"
        )
    with _new_file(out) as write:
        made = run.registry.access.add_bot(
            account,
            login=login,
            password=not no_password,
            new_password=new_password,
            keep=lambda address: write(_secret(kind, address)),
            **by,
        )
        if made.address is None and out is not None:
            out.unlink()
    data = {
        "account": account,
        "login": made.login,
        "file": None if out is None else str(out),
        "database_url": made.address.reveal() if made.address and out is None else None,
        **(events_of(made.outcome) if made.outcome else {"dry_run": by["dry_run"]}),
    }
    form = Form(kind, watch=watch)
    run.output.result(data, lambda: _tell_made(run, account, made, form, out))


@dataclass(frozen=True, slots=True)
class Form:
    """What is printed for a new bot."""

    kind: str
    watch: bool = False

    @property
    def verb(self) -> str:
        """The verb that starts the bot."""
        return "run --watch" if self.watch else "run"


def _tell_made(run: Run, account: str, made: "NewBot", form: Form, out: Path | None) -> None:
    if made.outcome is None:
        verb = "Would have given" if run.by["dry_run"] else "Gave"
        run.output.notice(f"{verb} the login {made.login} a new password.")
    else:
        tell_notes(run, made.outcome)
        done = f"made the login {made.login} for the account {account}"
        run.output.notice(sentence(made.outcome, done))
    if run.by["dry_run"]:
        return
    if made.address is None:
        run.output.notice("Its password was shown the first time; for another: --new-password")
        return
    if out is not None:
        run.output.notice(f"Its address is in {out} (mode 0600), and nowhere else.")
    if form.kind != "env" and out is not None and made.outcome is not None:
        run.output.lines(_rendered(form, account, made.login, out))
    elif out is None:
        run.output.notice("This is a secret, and not shown again:")
        run.output.lines(_secret("env", made.address).rstrip("\n"))
    run.output.notice(
        f"Start it with: account-registry {form.verb} --account {shlex.quote(account)} -- COMMAND"
    )


@contextlib.contextmanager
def _new_file(path: Path | None) -> Iterator[Callable[[str], None]]:
    """A function that writes a new file, which is removed again after an error."""
    from registry.machine import write_new

    written = False

    def write(text: str) -> None:
        nonlocal written
        if path is None:
            return
        try:
            write_new(path, text, mode=0o600)
        except FileExistsError:
            raise Conflict(f"{path} exists already, and is not overwritten") from None
        except OSError as error:
            raise InvalidInput(f"cannot write {path}: {error.strerror}") from None
        written = True

    try:
        yield write
    except BaseException:
        if written and path is not None:
            path.unlink(missing_ok=True)
        raise


def _secret(kind: str, address: "Secret") -> str:
    """The content of the file that holds the secret."""
    if kind != "env":
        return address.reveal() + "\n"
    return f"DATABASE_URL={_quoted(address.reveal())}\n{_key_variable()}\n"


def _key_variable() -> str:
    from registry.encryption.key_source import FILE_VARIABLE, MASTER_KEY, VARIABLE

    command = os.environ.get(f"{VARIABLE}_COMMAND", "").strip()
    if command:
        return f"{VARIABLE}_COMMAND={_quoted(command)}"
    if os.environ.get(VARIABLE, "").strip() or not MASTER_KEY.file.exists():
        return f"# {FILE_VARIABLE}={_KEY_FILE}"
    return f"{FILE_VARIABLE}={_quoted(str(MASTER_KEY.file.absolute()))}"


def _quoted(value: str) -> str:
    """A value of an env file, in quotes only where a shell needs them: not all readers know."""
    return value if re.fullmatch(r"[\w@%+:,./=?\[\]-]*", value, re.ASCII) else shlex.quote(value)


# A supervisor passes a signal on; so the program must not get it from the system too.
_STOPPING: Final = {
    "systemd": "# The supervisor passes SIGTERM on.\nKillMode=mixed\n",
    "compose": "    stop_grace_period: 1m\n",
}


def _rendered(form: Form, account: str, login: str, address: Path) -> str:
    """The systemd unit, or the service of a compose file."""
    from registry.encryption.key_source import MASTER_KEY

    key = MASTER_KEY.file
    is_unit = form.kind == "systemd"
    word = _unit_word if is_unit else _yaml_word
    template = files(__package__).joinpath(f"bot.{form.kind}").read_text(encoding="utf-8")
    return (
        Template(template)
        .substitute(
            account=word(account),
            login=login,
            program=word(shutil.which("account-registry") or _PROGRAM),
            address=word(str(address.absolute())),
            key=word(str(key.absolute()) if key.exists() else _KEY_FILE),
            watch=("--watch " if is_unit else "--watch, ") if form.watch else "",
            stopping=_STOPPING[form.kind] if form.watch else "",
        )
        .rstrip("\n")
    )


def _unit_word(text: str) -> str:
    """A word of a unit file: % and $ begin something there."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return text if re.fullmatch(r"[\w./%$-]+", text, re.ASCII) else f'"{text}"'


def _yaml_word(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("$", "$$")


@verb(changes=True)
def remove_bot(
    run: Run,
    name: Annotated[
        str, typer.Argument(metavar="ACCOUNT|LOGIN", help="A login comes before an account.")
    ],
    yes: Yes = False,
) -> None:
    """End a bot's login. Its accounts are taken, its sessions end, and it is dropped.

    What is there of it is removed. Exit code 5: it has no account any more, but the role stays,
    for the reason that is told.
    """
    by = run.by
    login, accounts = run.registry.access.find_bot(name)
    used = f", which may use {' and '.join(accounts)}" if accounts else ""
    run.confirm(f"Remove the login {login}{used}?", yes=yes)
    removed = run.registry.access.remove_bot(login, **by)
    data = {
        "login": removed.login,
        "accounts": removed.accounts,
        "sessions_ended": removed.sessions_ended,
        "knows": [
            {"account": account, "exchange": exchange} for account, exchange in removed.knows
        ],
        "kept": removed.kept,
        **events_of(removed.outcome),
    }
    run.output.result(data, lambda: _tell_removed(run, removed))
    if removed.kept is not None:
        run.exit_status = ExitStatus.REFUSED


def _tell_removed(run: Run, removed: "RemovedBot") -> None:
    tell_notes(run, removed.outcome)
    if removed.accounts:
        done = f"ended the access of {removed.login} to {' and '.join(removed.accounts)}"
        run.output.line(sentence(removed.outcome, done))
    if not removed.outcome.dry_run:
        if removed.sessions_ended:
            run.output.line(f"Ended {counted(removed.sessions_ended, 'session')} of it.")
        if removed.kept is None:
            run.output.line(f"The login {removed.login} is gone.")
        else:
            run.output.line(f"The role {removed.login} stays, without any account: {removed.kept}.")
    for account, exchange in removed.knows:
        run.output.line(
            f"It was handed the {exchange} key of {account}, and may know it still; see: "
            f"account-registry blast-radius {shlex.quote(account)} {shlex.quote(exchange)}"
        )
