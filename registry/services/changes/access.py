"""Commands about access: the login roles of the database that may use an account."""

from psycopg import sql

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.errors import PersonsLogin, RoleNotFound
from registry.execution.account_tasks import RuleTask
from registry.execution.executor import Decided, Write
from registry.hints import Command, Hint
from registry.log.ids import new_id
from registry.rules import access as rules

_QUERIES = load_queries("registry.services.changes", "sharing.sql")


class GrantTask(RuleTask):
    """Lets a login role use the account; makes it a member of registry_bot if it is not.

    Raises:
        RoleNotFound: the server has no such role, or it cannot log in.
        PersonsLogin: the role owns the registry.
        PermissionDenied: the role is no bot yet, and the caller may not make it a bot.
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
    """

    def __init__(self, account: str, role: str) -> None:
        content = {"verb": "grant-access", "role": role}
        super().__init__(account, content, lambda state: rules.grant(state, role, new_id()))
        self._role = role

    def send_reads(self, connection: Connection) -> None:
        """See `Task`."""
        super().send_reads(connection)
        self._role_row = connection.execute(_QUERIES["role"], {"role": self._role})

    def decide(self) -> Decided:
        """See `Task`."""
        decision = super().decide()
        row = self._role_row.fetchone()
        if row is None or not row[0]:
            what = "has no role" if row is None else "has a role that cannot log in:"
            raise RoleNotFound(
                f"the database {what} {self._role}",
                hint=f'Make it first: CREATE ROLE "{self._role}" LOGIN PASSWORD …',
            )
        if row[1]:
            return decision
        if row[2]:
            raise PersonsLogin(
                f"{self._role} owns the registry, as a member of registry_owner; as a bot it would "
                "see the positions of its own accounts only",
                hint=Hint("Make a login for the bot: ", Command("add-bot", self._name)),
            )
        # Access granted earlier is useless to a role that has left registry_bot since.
        note = f"{self._role} was no member of registry_bot any more"
        member = Write(sql.SQL("GRANT registry_bot TO {}").format(sql.Identifier(self._role)))
        return Decided(decision.events, [member], () if decision.events else (note,))


def revoke(account: str, role: str) -> RuleTask:
    """Takes the account from the role; errors as `rules.access.revoke`."""
    content = {"verb": "revoke-access", "role": role}
    return RuleTask(account, content, lambda state: rules.revoke(state, role))
