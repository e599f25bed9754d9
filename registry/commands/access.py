"""Verbs about access: the login roles of the database that may use an account."""

from typing import Annotated

import typer

from registry.commands._changes import tell
from registry.commands._options import AccountName, OptionalAccount
from registry.commands._run import Run
from registry.commands._verb import verb

Role = Annotated[str, typer.Option("--role", metavar="ROLE", help="A login role of the database.")]


@verb(changes=True)
def grant_access(run: Run, account: AccountName, role: Role) -> None:
    """Let a login role of the database use an account; it becomes a bot if it is none."""
    outcome = run.registry.access.grant(account, role, **run.by)
    tell(run, outcome, f"let the role {role} use account {account}", account=account, role=role)


@verb(changes=True)
def revoke_access(run: Run, account: AccountName, role: Role) -> None:
    """Take an account from a login role."""
    outcome = run.registry.access.revoke(account, role, **run.by)
    done = f"took account {account} from the role {role}"
    tell(run, outcome, done, account=account, role=role)


@verb()
def list_access(run: Run, account: OptionalAccount = None) -> None:
    """List which login roles may use an account, or all accounts."""
    found = run.registry.access.list(account)

    def text() -> None:
        if not found:
            run.output.line("No role was given access here.")
            return
        run.output.records(
            {"account": "account", "role": "role", "login": "login", "since": "since"}, found
        )

    run.output.result(found, text)
