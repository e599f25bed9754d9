"""Bots' own logins: made with their access to an account, given a new password, and removed."""

import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from registry.database.connection import Connection, Database, registry_errors
from registry.database.queries import load_queries, one_row, read_rows
from registry.database.target import Target, address_for
from registry.encryption.secret import Secret
from registry.errors import (
    AccessNotFound,
    AccountNotFound,
    InvalidInput,
    NoLoginsHere,
    PermissionDenied,
    RegistryError,
    RoleExists,
    RoleNotFound,
)
from registry.events.access import AccessRevoked
from registry.events.stored import Stream
from registry.execution.account_tasks import RuleTask
from registry.execution.executor import CommandExecutor, Decided, Invocation, Outcome, Write
from registry.execution.lookup import account_id
from registry.hints import Blank, Command, Hint
from registry.log.append import NewEvent
from registry.log.ids import new_id
from registry.rules import access as rules
from registry.shown import shown
from registry.values import refuse_secret

_QUERIES = load_queries("registry.services.changes", "bots.sql")
_LOGIN: Final = re.compile(r"(?!pg_|(?:public|none)$)[A-Za-z_][A-Za-z0-9_.-]{0,62}")
"""Names that need no quotes in an address, a file or a unit; the server cuts longer ones."""
_PASSWORD_BYTES: Final = 24

Keep = Callable[[Secret], None]
"""Called with the login's address before anything is made; what it raises prevents all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBot:
    """A login that was made for a bot, or that got a new password."""

    login: str
    address: Secret | None
    """The value of its `DATABASE_URL`; None if the command was applied before, and shown then."""
    outcome: Outcome | None
    """None for a new password, which is not in the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedBot:
    """What was taken from a bot's login."""

    login: str
    accounts: tuple[str, ...]
    sessions_ended: int
    knows: tuple[tuple[str, str], ...]
    """Account and exchange of each credential in use that it was handed."""
    kept: str | None
    """Why the role is still there; None if it is gone."""
    outcome: Outcome


class BotService:
    """Makes and removes the logins of bots."""

    def __init__(self, database: Database, target: Target) -> None:
        self._database = database
        self._target = target
        self._executor = CommandExecutor(database)

    def add(
        self, account: str, login: str | None, invocation: Invocation, keep: Keep, *, password: bool
    ) -> NewBot:
        """Makes a login that may use the account, and no other: all of it, or nothing.

        Raises:
            NoLoginsHere: it is the embedded database.
            InvalidInput: the login cannot be called so.
            RoleExists: the server has such a role, or access of an earlier one is left.
            PermissionDenied: the caller may not make logins, or not let them be bots.
            AccountNotFound, AccountInactive: see `AccountState.active_account`.
        """
        self._refuse_embedded(account)
        name = _checked(account, login)
        address, verifier = self._address(name, password=password)
        if not invocation.dry_run:
            keep(address)
        outcome = self._executor.execute(_AddTask(account, name, verifier), invocation)
        before = outcome.replayed and invocation.command_id is not None
        return NewBot(login=name, address=None if before else address, outcome=outcome)

    def new_password(self, name: str, invocation: Invocation, keep: Keep) -> NewBot:
        """Gives a bot's login another password; sessions that are open go on.

        Raises:
            NoLoginsHere, RoleNotFound, AccessNotFound, InvalidInput: see `find`.
            RoleExists: the role is more than a bot's.
            PermissionDenied: the caller may not change the role.
        """
        login, _ = self.find(name)
        with self._database.connection() as connection, registry_errors(connection):
            role = _role(connection, login)
            if role is None or role["more"] or not role["is_bot"]:
                what = "is gone" if role is None else f"is {', '.join(role['more']) or 'no bot'}"
                raise RoleExists(
                    f"the login {login} {what}, so that its password is not changed here"
                )
        address, verifier = self._address(login, password=True)
        if not invocation.dry_run:
            keep(address)
            with self._database.connection() as connection, _administering(connection, login):
                _alter(connection, "ALTER ROLE {} PASSWORD {}", login, sql.Literal(verifier))
        return NewBot(login=login, address=address, outcome=None)

    def find(self, name: str) -> tuple[str, list[str]]:
        """The login that a name means, and its accounts: a login, or an account with only one.

        Raises:
            NoLoginsHere: it is the embedded database.
            RoleNotFound: it is neither an account nor a bot's login.
            AccessNotFound: no login may use the account.
            InvalidInput: several logins may use it, or its login uses other accounts too.
        """
        self._refuse_embedded(name)
        with self._database.connection() as connection, registry_errors(connection):
            rows = connection.execute(_QUERIES["logins"], {"name": name})
            found = [str(login) for (login,) in rows]
            if not found:
                raise _no_bot(connection, name)
            if name not in found and len(found) > 1:
                raise InvalidInput(f"name one of the logins of {name}: {', '.join(found)}")
            login = name if name in found else found[0]
            accounts = [row[2] for row in connection.execute(_QUERIES["access"], {"login": login})]
        if login != name and len(accounts) > 1:
            raise InvalidInput(
                f"the login {login} of {name} uses {' and '.join(accounts)}",
                hint=Hint(
                    "Name the login if you mean all of it; or take this account from it: ",
                    Command("revoke-access", name, role=login),
                ),
            )
        return login, accounts

    def remove(self, name: str, invocation: Invocation) -> RemovedBot:
        """Takes all accounts from a login, ends its sessions, and drops it.

        The accounts are taken first, and in any case: the role stays if it is more than a bot's,
        owns something, or is another administrator's. Repeating the command goes on from there.

        Raises:
            NoLoginsHere, RoleNotFound, AccessNotFound, InvalidInput: see `find`.
        """
        login, _ = self.find(name)
        task = _RemoveTask(login)
        outcome = self._executor.execute(task, invocation)
        with self._database.connection() as connection, registry_errors(connection):
            parameters = {"login": login, "accounts": list(task.account_ids)}
            knows = tuple(connection.execute(_QUERIES["released"], parameters).fetchall())
        ended, kept = 0, None
        if not invocation.dry_run:
            try:
                with self._database.connection() as connection:
                    ended, kept = _drop(connection, login)
            except (PermissionDenied, RoleExists) as error:
                kept = error.message
        return RemovedBot(
            login=login,
            accounts=task.accounts,
            sessions_ended=ended,
            knows=knows,
            kept=kept,
            outcome=outcome,
        )

    def _refuse_embedded(self, account: str) -> None:
        if self._target.embedded:
            raise NoLoginsHere(
                "the embedded database has one user, who owns its files: a bot's own login would "
                "keep nothing from it",
                hint=Hint(
                    "Start the bot as this user: ",
                    Command("run", account=account),
                    " -- COMMAND. For logins, set DATABASE_URL to a PostgreSQL of yours.",
                ),
            )

    def _address(self, login: str, *, password: bool) -> tuple[Secret, str | None]:
        """The login's address, and the verifier of its new password (RFC 5803).

        The server never sees the password itself, so none of its logs can.
        """
        text = secrets.token_urlsafe(_PASSWORD_BYTES) if password else None
        with self._database.connection() as connection, registry_errors(connection):
            given = connection.info.get_parameters()
            said = conninfo_to_dict(self._target.url or "")
            for name in ("hostaddr", "target_session_attrs"):  # the driver or we may add them
                if name not in said and not os.environ.get(f"PG{name.replace('_', '').upper()}"):
                    given.pop(name, None)
            address = Secret(address_for(given, login, text))
            if text is None:
                return address, None
            made = connection.pgconn.encrypt_password(
                text.encode(), login.encode(), b"scram-sha-256"
            )
        return address, made.decode()


class _AddTask(RuleTask):
    def __init__(self, account: str, login: str, verifier: str | None) -> None:
        content = {"verb": "add-bot", "role": login}
        super().__init__(account, content, lambda state: rules.grant(state, login, new_id()))
        self._login = login
        self._verifier = verifier

    def send_reads(self, connection: Connection) -> None:
        super().send_reads(connection)
        self._caller = connection.execute(_QUERIES["caller"])
        self._role = connection.execute(_QUERIES["login"], {"login": self._login})
        self._access = connection.execute(_QUERIES["access"], {"login": self._login})

    def decide(self) -> Decided:
        decision = super().decide()
        _, may_make, may_grant, _, database, bots_connect = caller = one_row(self._caller)
        accounts = [row[2] for row in self._access.fetchall()]
        if (role := self._role.fetchone()) is not None:
            raise self._exists(accounts, is_bot=role[1])
        others = [account for account in accounts if account != self._name]
        if others:
            raise RoleExists(
                f"an earlier login {self._login}, which is gone, may still use {', '.join(others)}",
                hint=Hint("Take that from it first: ", Command("remove-bot", self._login)),
            )
        if not (may_make and may_grant):
            raise _may_not(caller, self._name, self._login, may_make=may_make)
        login = sql.Identifier(self._login)
        made = sql.SQL("CREATE ROLE {} LOGIN").format(login)
        if self._verifier is not None:
            made += sql.SQL(" PASSWORD {}").format(sql.Literal(self._verifier))
        writes = [Write(made), Write(sql.SQL("GRANT registry_bot TO {}").format(login))]
        note = f'bots may not connect: GRANT CONNECT ON DATABASE "{database}" TO registry_bot'
        return Decided(decision.events, writes, () if bots_connect else (note,))

    def _exists(self, accounts: Sequence[str], *, is_bot: bool) -> RoleExists:
        if is_bot and self._name in accounts:
            renew = Command("add-bot", self._login, new_password=True)
            return RoleExists(
                f"the account {self._name} has the login {self._login} already",
                hint=Hint("Give it a new password: ", renew),
            )
        return RoleExists(
            f"the server has a role {self._login} already",
            hint=Hint(
                "Name another login: ",
                Command("add-bot", self._name, login=Blank("LOGIN")),
                "; or let that role use the account: ",
                Command("grant-access", self._name, role=self._login),
            ),
        )


class _RemoveTask:
    """Revokes the access of a login to all accounts."""

    accounts: tuple[str, ...] = ()
    account_ids: tuple[Any, ...] = ()

    def __init__(self, login: str) -> None:
        self._login = login

    def send_reads(self, connection: Connection) -> None:
        self._access = connection.execute(_QUERIES["access"], {"login": self._login})

    def content(self) -> dict[str, Any]:
        return {"verb": "remove-bot", "role": self._login}

    def decide(self) -> Decided:
        rows = self._access.fetchall()
        self.accounts = tuple(row[2] for row in rows)
        self.account_ids = tuple(row[1] for row in rows)
        return Decided(
            [
                NewEvent(
                    Stream("account", account),
                    version + 1,
                    AccessRevoked(access_id=access, role=self._login),
                )
                for access, account, _, version in rows
            ]
        )


def _checked(account: str, login: str | None) -> str:
    name = account if login is None else login
    refuse_secret(name, "a login")
    if not _LOGIN.fullmatch(name):
        raise InvalidInput(
            f"a login cannot be called {shown(name)}: it has up to 63 letters (A to Z), digits and "
            "_ . -, and does not begin with a digit or pg_",
            hint=Hint("Name it: ", Command("add-bot", account, login=Blank("LOGIN"))),
        )
    return name


def _may_not(
    caller: Sequence[Any], account: str, login: str, *, may_make: bool
) -> PermissionDenied:
    name, *_, admin_by_grant, _, _ = caller
    may = [] if may_make else [f'ALTER ROLE "{name}" CREATEROLE;']
    if admin_by_grant:
        option = "WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
        may.append(f'GRANT registry_bot TO "{name}" {option};')
    lacks = "make logins" if not may_make else "let a login be a bot"
    return PermissionDenied(
        f"the login {name} may not {lacks}",
        hint=Hint(
            f"An administrator allows it: {' '.join(may)} Or makes this one: "
            f'CREATE ROLE "{login}" LOGIN; \\password "{login}"; '
            f'GRANT registry_bot TO "{login}"; then: ',
            Command("grant-access", account, role=login),
        ),
    )


def _no_bot(connection: Connection, name: str) -> RegistryError:
    try:
        account_id(connection, name)
    except AccountNotFound:
        return RoleNotFound(
            f"there is neither an account nor a bot's login {shown(name)}",
            hint=Hint("See: ", Command("list-access")),
        )
    return AccessNotFound(f"no login may use the account {name}")


def _role(connection: Connection, login: str) -> dict[str, Any] | None:
    rows = read_rows(connection, _QUERIES["login"], {"login": login})
    return rows[0] if rows else None


def _alter(connection: Connection, statement: str, login: str, *more: sql.Composable) -> None:
    connection.execute(sql.SQL(statement).format(sql.Identifier(login), *more))


def _drop(connection: Connection, login: str) -> tuple[int, str | None]:
    """Ends a login's sessions and drops it; the number of them, and why it stays, if it does."""
    with registry_errors(connection):
        role = _role(connection, login)
    if role is None:
        return 0, None
    if role["more"]:
        return 0, f"it is {', '.join(role['more'])}"
    by_login = {"login": login}
    with _administering(connection, login):
        # First by itself: a login that stays for what it owns cannot log in again.
        _alter(connection, "ALTER ROLE {} NOLOGIN", login)
        with connection.transaction():
            if not one_row(connection.execute(_QUERIES["is_member"], by_login))[0]:
                _alter(connection, "GRANT {} TO CURRENT_USER", login)
            ended = one_row(connection.execute(_QUERIES["end_sessions"], by_login))[0]
            owned = [name for (name,) in connection.execute(_QUERIES["owned"], by_login)]
            if owned:
                raise psycopg.Rollback
            _alter(connection, "DROP OWNED BY {}", login)
            _alter(connection, "DROP ROLE {}", login)
    if not owned:
        return ended, None
    give = f'REASSIGN OWNED BY "{login}" TO …'
    return ended, f"it owns {', '.join(owned)}; give that to another role ({give}), and repeat this"


@contextmanager
def _administering(connection: Connection, login: str) -> Iterator[None]:
    try:
        with registry_errors(connection):
            yield
    except PermissionDenied as error:
        raise PermissionDenied(
            f"the role {login} is not this caller's to change: {error.message}",
            hint="Who made it can do this, or a superuser.",
        ) from None
