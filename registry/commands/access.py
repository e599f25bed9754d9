"""Verbs about access: the login roles of the database that may use an account."""

from typing import Annotated, Final

import typer

from registry.commands._changes import tell
from registry.commands._lists import ListOptions, columns, none_fits, show_list
from registry.commands._options import AccountName, OptionalAccount
from registry.commands._run import Run
from registry.commands._verb import verb

Role = Annotated[str, typer.Option("--role", metavar="ROLE", help="A login role of the database.")]


_ACCESS: Final = columns(
    "list-access",
    {"account": "account", "role": "role", "login": "login", "since": "since"},
    {"granted": "granted_at"},
)


@verb(changes=True)
def grant_access(run: Run, account: AccountName, role: Role) -> None:
    """Let a login role use an account. It becomes a bot's if it is none yet."""
    outcome = run.registry.access.grant(account, role, **run.by)
    tell(run, outcome, f"let the role {role} use account {account}", account=account, role=role)


@verb(changes=True)
def revoke_access(run: Run, account: AccountName, role: Role) -> None:
    """Take an account from a login role."""
    outcome = run.registry.access.revoke(account, role, **run.by)
    done = f"took account {account} from the role {role}"
    tell(run, outcome, done, account=account, role=role)


@verb()
def list_access(
    run: Run,
    how: ListOptions,
    account: OptionalAccount = None,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help="Only what it may use.")] = None,
) -> None:
    """List which login roles may use which accounts."""
    access = run.registry.access.list(account, role=role)

    def none() -> str:
        asked = {"account": account, "role": role}
        return none_fits("grant", asked, lambda: len(run.registry.access.list()))

    show_list(run, how, _ACCESS, access, none)
