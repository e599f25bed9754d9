"""The verb `import-env`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.commands._run import Run
from registry.commands._verb import verb
from registry.commands.accounts import AccountName

if TYPE_CHECKING:
    from registry.services.executor import Outcome
    from registry.services.importing import EnvImport

app = typer.Typer()


@app.command("import-env")
@verb("import-env", changes=True)
def import_env(
    run: Run,
    account: AccountName,
    env_file: Annotated[
        Path, typer.Option("--env-file", metavar="FILE", help="Exactly this file is read.")
    ],
    create: Annotated[
        bool, typer.Option("--create", help="Create the account if there is none of this name.")
    ] = False,
) -> None:
    """Import the credentials of an env file: all of it, or nothing."""
    from registry.services.credentials import CredentialService
    from registry.services.exchanges import known_specifications
    from registry.services.importing import find_credentials, held_exchanges, read_env_file

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
    )
    _tell(run, account, env_file, found, outcome)


def _tell(run: Run, account: str, env_file: Path, found: "EnvImport", outcome: "Outcome") -> None:
    from registry.commands._changes import events_of, sentence

    data: dict[str, Any] = {
        "account": account,
        "found": {name: list(fields) for name, fields in found.credentials.items()},
        "not_in_file": {name: list(fields) for name, fields in found.absent.items()},
        "skipped": dict(found.skipped),
        "other_variables": list(found.other_names),
        **events_of(outcome),
    }

    def text() -> None:
        count = len(found.credentials)
        done = (
            f"imported {count} credential{'' if count == 1 else 's'} into {account} from {env_file}"
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
