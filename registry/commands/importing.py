"""The verbs `import-env` and `import-config`."""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.commands._changes import events_of, sentence, tell_notes, versions
from registry.commands._options import (
    AccountName,
    AllowOtherAccount,
    AllowSharedSecret,
    Cascade,
    Yes,
)
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import ExitStatus, InvalidInput
from registry.hints import commands_of
from registry.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from registry.execution.executor import Outcome
    from registry.services.importing.env_files import EnvImport
    from registry.services.importing.env_folder import EnvFile


@dataclass(frozen=True, slots=True)
class ImportArguments:
    """The options of an import."""

    create: Annotated[
        bool, typer.Option("--create", help="Create the account if there is none of this name.")
    ] = False
    exchange: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EXCHANGE",
            help="Only this one's keys; or whose they are, where JSON does not say it. Repeated.",
        ),
    ] = None
    subaccount: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[EXCHANGE=]N",
            help="The subaccount at the exchange; for one exchange only, or for all.",
        ),
    ] = None
    cascade: Cascade = False
    allow_shared_secret: AllowSharedSecret = False
    allow_other_account: AllowOtherAccount = False

    def given(self) -> dict[str, Any]:
        """The same as keyword arguments of the registry's methods."""
        from registry.subaccounts import Subaccounts

        named = Subaccounts.parse(self.subaccount or [], numbers_only=True)
        return {**dataclasses.asdict(self), "subaccount": named.chosen}


@verb(changes=True)
def import_env(
    run: Run,
    account: Annotated[
        str | None, typer.Argument(metavar="[ACCOUNT]", help="The account; not with --dir.")
    ] = None,
    env_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Exactly this file is read.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            metavar="DIR",
            help="Each file of an account (.env.NAME, NAME.env); templates and copies left out.",
        ),
    ] = None,
    *,
    how: ImportArguments,
    yes: Yes = False,
) -> None:
    """Import the credentials of an env file: all of it, or nothing.

    The file - is standard input. Files of a folder stand for themselves: those that are
    refused are named, and the exit code is the first one's.
    """
    if folder is not None and account is None and env_file is None:
        _import_folder(run, folder, how, yes=yes)
    elif account is not None and env_file is not None and folder is None:
        _import_file(run, account, env_file, how)
    else:
        raise InvalidInput("give ACCOUNT and --env-file FILE, or --dir DIR alone")


def _import_file(run: Run, account: str, env_file: Path, how: ImportArguments) -> None:

    found, outcome = run.registry.import_env(account, env_file, **how.given(), **run.by)
    tell_notes(run, outcome)
    data: dict[str, Any] = {
        "account": account,
        "found": {name: list(fields) for name, fields in found.credentials.items()},
        "not_in_file": {name: list(fields) for name, fields in found.absent.items()},
        "skipped": dict(found.skipped),
        "other_variables": list(found.other_names),
        "hidden_variables": found.hidden_names,
        "left_out": list(found.left_out),
        **events_of(outcome),
    }
    if found.left_out:
        run.exit_status = ExitStatus.REFUSED
    run.output.result(data, lambda: _tell_file(run, account, env_file, found, outcome))
    run.warn_of_readers(env_file)


def _tell_file(
    run: Run, account: str, env_file: Path, found: "EnvImport", outcome: "Outcome"
) -> None:
    changed = [stored for stored in outcome.stored if stored.change != "unchanged"]
    credentials = counted(len(changed or found.credentials), "credential")
    run.output.line(sentence(outcome, f"imported {credentials} into {account} from {env_file}"))
    _tell_credentials(run, found.credentials, outcome, found.absent)
    _tell_skipped(run, found.skipped)
    ignored = list(found.other_names)
    if found.hidden_names:
        ignored.append(f"{counted(found.hidden_names, 'name')} that could be part of a secret")
    if ignored:
        run.output.line(f"  ignored    what is no exchange's: {', '.join(ignored)}")


def _tell_credentials(
    run: Run,
    credentials: "Mapping[str, Collection[str]]",
    outcome: "Outcome",
    absent: "Mapping[str, Collection[str]]",
) -> None:
    """Prints the outcome for each credential; for a replayed import, only the fields found."""
    stored = {stored.slot.exchange: stored for stored in outcome.stored}
    for name, fields in credentials.items():
        done = stored.get(name)
        what, slot = ("found", name) if done is None else (done.change, versions(done))
        lacking = absent.get(name, ())
        kept = f" (not in the file, kept or by default: {', '.join(lacking)})" if lacking else ""
        run.output.line(f"  {what:<9}  {slot}: {', '.join(fields)}{kept}")


def _tell_skipped(run: Run, skipped: "Mapping[str, str]") -> None:
    for name, why in skipped.items():
        run.output.line(f"  skipped    {name}: {why}")


# ---------------------------------------------------------------- a folder


def _import_folder(run: Run, folder: Path, how: ImportArguments, *, yes: bool) -> None:
    from registry.services.importing.env_folder import check_all

    def approve(files: list["EnvFile"], existing: "Collection[str]") -> None:
        for file in files:
            run.output.notice(_preview(file, existing))
            if file.refused is not None and file.refused.hint:
                run.output.notice(f"{'':12}{commands_of(file.refused.hint)}")
        check_all(files)
        if sys.stdin.isatty():  # nothing is lost by it: only who has seen the preview is asked
            imported = sum(file.is_taken for file in files)
            run.confirm(f"Import {counted(imported, 'file')}?", yes=yes)

    files, outcomes = run.registry.import_folder(folder, approve=approve, **how.given(), **run.by)
    _tell_folder(run, files, outcomes)
    run.warn_of_readers(*(folder / file.name for file in files if file.is_taken))


def _preview(file: "EnvFile", existing: "Collection[str]") -> str:
    if file.refused is not None:
        return f"  {'refused':<8}  {file.name}: {file.refused.message}"
    if file.found is None:
        return f"  left out  {file.name}: {file.left_out}"
    new = "" if file.account in existing else " (new)"
    kept = [name for names in file.found.absent.values() for name in names]
    absent = f"; not in the file, kept or by default: {', '.join(kept)}" if kept else ""
    return (
        f"  {'found':<8}  {file.name}: {file.account}{new}, "
        f"{', '.join(file.found.credentials)}{absent}"
    )


def _tell_folder(run: Run, files: list["EnvFile"], outcomes: "dict[str, Outcome]") -> None:
    for outcome in outcomes.values():
        tell_notes(run, outcome)
    data = [
        {
            "file": file.name,
            "account": file.account,
            "found": {}
            if file.found is None
            else {n: list(f) for n, f in file.found.credentials.items()},
            "left_out": file.left_out,
            "refused": None if file.refused is None else file.refused.message,
            "skipped": {} if file.found is None else dict(file.found.skipped),
            **(events_of(outcomes[file.account]) if file.account and file.is_taken else {}),
        }
        for file in files
    ]
    partly = [ExitStatus.REFUSED for file in files if file.found and file.found.left_out]
    refused = [file.refused.exit_status for file in files if file.refused is not None]
    run.exit_status = next(iter([*refused, *partly]), run.exit_status)

    def text() -> None:
        for file in files:
            if file.account and file.found and file.is_taken:
                outcome = outcomes[file.account]
                run.output.line(sentence(outcome, f"imported into {file.account}"))
                _tell_credentials(run, file.found.credentials, outcome, {})
                _tell_skipped(run, file.found.skipped)

    run.output.result(data, text)


# ---------------------------------------------------------------- other bots' configuration


@verb(changes=True)
def import_config(
    run: Run,
    account: AccountName,
    file: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="JSON of another bot; - is standard input. Repeated: later files count first.",
        ),
    ],
    entry: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which of the file's entries, if several fit."),
    ] = None,
    *,
    how: ImportArguments,
) -> None:
    """Import plain keys from another bot's JSON: all, or nothing.

    It may have comments. Known are freqtrade's config.json (with the files that it adds),
    passivbot's api-keys.json, ccxt's keys.json, Coinbase's key file, OctoBot's config.json, and
    a connector with its keys. What is encrypted or only a reference is refused by its name.
    """
    found, outcome = run.registry.import_config(account, file, entry, **how.given(), **run.by)
    tell_notes(run, outcome)
    data = {
        "account": account,
        "format": found.format,
        "found": {name: list(fields) for name, fields in found.credentials.items()},
        "skipped": dict(found.skipped),
        "ignored": list(found.ignored),
        "added_files": list(found.added),
        **events_of(outcome),
    }

    def text() -> None:
        names = " and ".join(map(str, [*file, *found.added]))
        run.output.line(sentence(outcome, f"imported {names} ({found.format}) into {account}"))
        _tell_credentials(run, found.credentials, outcome, {})
        _tell_skipped(run, found.skipped)
        if found.ignored:
            run.output.line(f"  ignored    what is no field: {', '.join(found.ignored)}")

    run.output.result(data, text)
    run.warn_of_readers(*file, *found.added)
