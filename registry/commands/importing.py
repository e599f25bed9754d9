"""The verbs `import-env` and `import-config`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.commands._options import AccountName, Cascade, Yes
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.wording import counted

if TYPE_CHECKING:
    from registry.services.executor import Outcome
    from registry.services.importing.env_files import EnvImport
    from registry.services.importing.many import EnvFile

app = typer.Typer()

Create = Annotated[
    bool, typer.Option("--create", help="Create the account if there is none of this name.")
]


@app.command("import-env")
@verb("import-env", changes=True)
def import_env(
    run: Run,
    account: Annotated[
        str | None, typer.Argument(metavar="[ACCOUNT]", help="The account; not with --dir.")
    ] = None,
    env_file: Annotated[
        Path | None, typer.Option("--env-file", metavar="FILE", help="Exactly this file is read.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            metavar="DIR",
            help="Each file of an account (.env.NAME, NAME.env); templates and copies left out.",
        ),
    ] = None,
    create: Create = False,
    cascade: Cascade = False,
    yes: Yes = False,
) -> None:
    """Import the credentials of an env file: all of it, or nothing."""
    from registry.errors import InvalidInput

    if folder is not None and account is None and env_file is None:
        _import_folder(run, folder, create=create, cascade=cascade, yes=yes)
    elif account is not None and env_file is not None and folder is None:
        _import_file(run, account, env_file, create=create, cascade=cascade)
    else:
        raise InvalidInput("give ACCOUNT and --env-file FILE, or --dir DIR alone")


def _import_file(run: Run, account: str, env_file: Path, *, create: bool, cascade: bool) -> None:
    from registry.services.changes.credentials import CredentialService
    from registry.services.changes.exchanges import known_specifications
    from registry.services.importing.env_files import (
        find_credentials,
        held_exchanges,
        read_env_file,
    )

    invocation = run.invocation()
    keyring = run.keyring()
    variables = read_env_file(env_file)
    found = find_credentials(
        variables,
        known_specifications(run.database),
        held=held_exchanges(run.database, account),
    )
    outcome = CredentialService(run.database, keyring).store(
        account,
        found.inputs(),
        invocation,
        verb="import-env",
        create=found.account(account) if create else None,
        cascade=cascade,
    )
    _tell(run, account, env_file, found, outcome)


def _tell(run: Run, account: str, env_file: Path, found: "EnvImport", outcome: "Outcome") -> None:
    from registry.commands._changes import events_of, sentence, tell_notes

    tell_notes(run, outcome)
    data: dict[str, Any] = {
        "account": account,
        "found": {name: list(fields) for name, fields in found.credentials.items()},
        "not_in_file": {name: list(fields) for name, fields in found.absent.items()},
        "skipped": dict(found.skipped),
        "other_variables": list(found.other_names),
        **events_of(outcome),
    }

    def text() -> None:
        done = (
            f"imported {counted(len(found.credentials), 'credential')} into {account} "
            f"from {env_file}"
        )
        run.output.line(sentence(outcome, done))
        for name, fields in found.credentials.items():
            absent = found.absent.get(name, ())
            kept = f" (not in the file, kept or by default: {', '.join(absent)})" if absent else ""
            run.output.line(f"  found    {name}: {', '.join(fields)}{kept}")
        for name, why in found.skipped.items():
            run.output.line(f"  skipped  {name}: {why}")
        if found.other_names:
            run.output.line(f"  ignored  what is no exchange's: {', '.join(found.other_names)}")

    run.output.result(data, text)


# ---------------------------------------------------------------- a folder


def _import_folder(run: Run, folder: Path, *, create: bool, cascade: bool, yes: bool) -> None:
    import functools

    from registry.errors import InvalidInput
    from registry.services.changes.exchanges import known_specifications
    from registry.services.changes.storing_several import SeveralAccounts
    from registry.services.importing.env_files import held_exchanges
    from registry.services.importing.many import check_all, chosen, survey, with_problems
    from registry.services.tables.reading import list_accounts

    invocation = run.invocation()
    if invocation.command_id is not None or invocation.expected_version is not None:
        raise InvalidInput("--command-id and --expected-version belong to one account's import")
    keyring = run.keyring()
    existing = {row["account_name"] for row in list_accounts(run.database)}
    held = functools.partial(held_exchanges, run.database)
    files = survey(folder, known_specifications(run.database), held, existing)
    inputs = chosen(files, create=create)
    several = SeveralAccounts(run.database, keyring, inputs, verb="import-env", cascade=cascade)
    files = with_problems(files, several.problems())
    for one in files:
        run.output.notice(_preview(one, existing))
    check_all(files)
    if sys.stdin.isatty():  # nothing is lost by it: only who has seen the preview is asked
        run.confirm(f"Import {counted(len(inputs), 'file')}?", yes=yes)
    _tell_folder(run, files, several.store(invocation))


def _preview(one: "EnvFile", existing: set[str]) -> str:
    if one.refused is not None:
        return f"  {'refused':<8}  {one.name}: {one.refused.message}"
    if one.found is None:
        return f"  left out  {one.name}: {one.left_out}"
    new = "" if one.account in existing else " (new)"
    kept = [name for names in one.found.absent.values() for name in names]
    absent = f"; not in the file, kept or by default: {', '.join(kept)}" if kept else ""
    return (
        f"  {'found':<8}  {one.name}: {one.account}{new}, "
        f"{', '.join(one.found.credentials)}{absent}"
    )


def _tell_folder(run: Run, files: list["EnvFile"], outcomes: "dict[str, Outcome]") -> None:
    from registry.commands._changes import events_of, sentence, tell_notes

    for outcome in outcomes.values():
        tell_notes(run, outcome)
    data = [
        {
            "file": one.name,
            "account": one.account,
            "found": {}
            if one.found is None
            else {n: list(f) for n, f in one.found.credentials.items()},
            "left_out": one.left_out,
            **(events_of(outcomes[one.account]) if one.account in outcomes and one.found else {}),
        }
        for one in files
    ]

    def text() -> None:
        for account, outcome in outcomes.items():
            run.output.line(sentence(outcome, f"imported into {account}"))

    run.output.result(data, text)


# ---------------------------------------------------------------- other bots' configuration


@app.command("import-config")
@verb("import-config", changes=True)
def import_config(
    run: Run,
    account: AccountName,
    file: Annotated[
        Path, typer.Option("--file", metavar="FILE", help="JSON of another bot; only it is read.")
    ],
    entry: Annotated[
        str | None,
        typer.Option(
            "--entry", metavar="NAME", help="Which of the file's entries, if several fit."
        ),
    ] = None,
    create: Create = False,
    cascade: Cascade = False,
) -> None:
    """Import plain keys from the JSON of freqtrade, passivbot or hummingbot: all, or nothing."""
    from registry.commands._changes import events_of, sentence, tell_notes
    from registry.decisions.account import CreateAccount
    from registry.services.changes.credentials import CredentialService
    from registry.services.changes.exchanges import exchange_specifications
    from registry.services.importing.config_files import choose, match_fields, read_config

    invocation = run.invocation()
    keyring = run.keyring()
    format_name, entries = read_config(file)
    entries = choose(entries, entry)
    specs = exchange_specifications(run.database, (one.exchange for one in entries))
    found = match_fields(format_name, entries, specs)
    made = CreateAccount(
        account_name=account,
        description=f"Account from {format_name}: {account}",
        metadata={"source": f"{format_name}_config"},
    )
    outcome = CredentialService(run.database, keyring).store(
        account,
        found.inputs(),
        invocation,
        verb="import-config",
        create=made if create else None,
        cascade=cascade,
    )
    tell_notes(run, outcome)
    data = {
        "account": account,
        "format": found.format,
        "found": {name: list(fields) for name, fields in found.credentials.items()},
        "ignored": list(found.ignored),
        **events_of(outcome),
    }

    def text() -> None:
        run.output.line(sentence(outcome, f"imported {file} ({format_name}) into {account}"))
        for name, fields in found.credentials.items():
            run.output.line(f"  found    {name}: {', '.join(fields)}")
        if found.ignored:
            run.output.line(f"  ignored  what is no field: {', '.join(found.ignored)}")

    run.output.result(data, text)
