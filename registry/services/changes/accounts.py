"""Commands about accounts."""

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from registry.database.connection import Connection, Database
from registry.database.queries import load_queries
from registry.errors import AccountExists
from registry.events.base import EventModel
from registry.execution.account_tasks import AccountTask, RuleTask, new_events, next_events
from registry.execution.executor import CommandExecutor, Decided, Invocation, Outcome
from registry.log.ids import new_id
from registry.plurals import counted
from registry.rules import accounts as rules
from registry.rules.account_state import AccountState
from registry.rules.accounts import AccountUse, CreateAccount, UpdateAccount
from registry.rules.limits import ALLOWED_EXCHANGES
from registry.rules.metadata import dropped
from registry.rules.sharing import check_affected, lent_by
from registry.services.changes.narrowing import Narrowing, check_names, send_names
from registry.services.changes.sharing import revocations, send_shares

_QUERIES = load_queries("registry.execution")


class _CreateTask:
    def __init__(self, command: CreateAccount) -> None:
        self._command = command
        self._id = new_id()

    def send_reads(self, connection: Connection) -> None:
        """A unique constraint guards the name; the exchanges are read if some are allowed only."""
        self._names: Iterable[tuple[str]] = ()
        if ALLOWED_EXCHANGES in (self._command.details.get("metadata") or ()):
            self._names = send_names(connection)

    def content(self) -> Mapping[str, Any]:
        command = self._command
        return {
            "verb": "create-account",
            "account": command.account_name,
            **command.details,
        }

    def decide(self) -> Decided:
        events = rules.create(self._command)
        check_names(self._names, {}, self._command.details.get("metadata") or {})
        return Decided(new_events(self._id, AccountState(), events))


class _UpdateTask(AccountTask):
    """Changes details, and says what else that means."""

    def __init__(self, name: str, command: UpdateAccount, *, cascade: bool) -> None:
        keys = {name: given for name, given in asdict(command.keys).items() if given}
        super().__init__(name, {"verb": "update-account", **command.details, **keys})
        self._command = command
        self._cascade = cascade

    def send_reads(self, connection: Connection) -> None:
        super().send_reads(connection)
        self._names = send_names(connection)
        self._narrowing = Narrowing(connection, self._name)

    def decide(self) -> Decided:
        state = self.read_state()
        events = rules.update(state, self._command)
        before = state.account["metadata"]
        told = (event.metadata for event in events if "metadata" in event.model_fields_set)
        after = next(told, before)
        check_names(self._names, before, after)
        replaced = self._command.details.get("metadata")
        notes = [] if replaced is None else dropped(before, replaced)
        notes += self._narrowing.notes(state, after, cascade=self._cascade)
        return Decided(next_events(state, events), notes=tuple(notes))


class _DeactivateTask(AccountTask):
    """Stops an account. Its shares stay, but are refused until the account is active again."""

    def __init__(self, name: str, *, cascade: bool) -> None:
        super().__init__(name, {"verb": "deactivate-account"})
        self._cascade = cascade

    def send_reads(self, connection: Connection) -> None:
        super().send_reads(connection)
        self._shares = send_shares(connection, self._name)

    def decide(self) -> Decided:
        state = self.read_state()
        events = rules.deactivate(state)
        affected = lent_by(state, self._shares.fetchall())
        check_affected(f"account {state.name} lends", affected, cascade=self._cascade)
        notes = tuple(f"without a key from now on: {share}" for share in affected)
        return Decided(next_events(state, events), notes=notes)


class _DeleteTask(AccountTask):
    """Deletes an account; `cascade` also ends its shares and gives up its closed positions."""

    def __init__(self, name: str, *, cascade: bool) -> None:
        super().__init__(name, {"verb": "delete-account"})
        self._cascade = cascade

    def send_reads(self, connection: Connection) -> None:
        super().send_reads(connection)
        self._use = connection.execute(_QUERIES["account_use"], {"account_name": self._name})
        self._shares = send_shares(connection, self._name)

    def decide(self) -> Decided:
        state = self.read_state()
        account_id = uuid.UUID(state.account["id"])
        open_positions, closed, borrowers = self._use.fetchone() or (0, [], [])
        use = AccountUse(
            open_positions=open_positions,
            closed_positions=tuple(closed),
            borrowers=() if self._cascade else tuple(borrowers),
        )
        from registry.rules.access import access_revocations

        *before, deleted = rules.delete(state, use, cascade=self._cascade)
        shares = self._shares.fetchall()
        borrowed = [share for share in shares if share.borrower_id == account_id]
        check_affected(f"account {state.name} borrows", borrowed, cascade=self._cascade)
        ended = [share.revoked() for share in borrowed]
        own = [*before, *ended, *access_revocations(state), deleted]
        *first, last = next_events(state, own)
        # The account's row goes last, because rows of other accounts refer to it.
        others = revocations(lent_by(state, shares))
        notes = [f"ended with it: {share}" for share in shares]
        if closed:
            notes.append(f"without an owner from now on: {counted(len(closed), 'closed position')}")
        return Decided([*first, *others, last], notes=tuple(notes))


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    # A unique constraint guards the names; its error does not say which name it is about.
    try:
        yield
    except AccountExists:
        raise AccountExists(
            f"there is an account {name} already", hint="Choose another name."
        ) from None


class AccountService:
    """Creates and changes accounts."""

    def __init__(self, database: Database) -> None:
        self._executor = CommandExecutor(database)

    def create(self, command: CreateAccount, invocation: Invocation) -> Outcome:
        """Creates an account; errors as `rules.accounts.create`.

        Raises:
            AccountExists: another account has the name.
        """
        with _naming(command.account_name):
            return self._executor.execute(_CreateTask(command), invocation)

    def update(
        self, name: str, command: UpdateAccount, invocation: Invocation, *, cascade: bool = False
    ) -> Outcome:
        """Changes details; errors as `rules.accounts.update`.

        Raises:
            ExchangeNotFound: the metadata allows an exchange that there is not.
            AccountInUse: others borrow for an exchange that it does not allow any more, and
                `cascade` does not say that they may lose it.
        """
        return self._executor.execute(_UpdateTask(name, command, cascade=cascade), invocation)

    def rename(self, name: str, new_name: str, invocation: Invocation) -> Outcome:
        """Renames the account; errors as `rules.accounts.rename`.

        Raises:
            AccountExists: another account has the new name.
        """
        with _naming(new_name):
            return self._run(
                name,
                {"verb": "rename-account", "new_name": new_name},
                invocation,
                lambda state: rules.rename(state, new_name),
            )

    def deactivate(self, name: str, invocation: Invocation, *, cascade: bool = False) -> Outcome:
        """Deactivates the account; errors as `rules.accounts.deactivate`.

        Raises:
            AccountInUse: other accounts borrow from it, and `cascade` is not set.
        """
        return self._executor.execute(_DeactivateTask(name, cascade=cascade), invocation)

    def reactivate(self, name: str, invocation: Invocation) -> Outcome:
        """Reactivates the account; errors as `rules.accounts.reactivate`."""
        return self._run(name, {"verb": "reactivate-account"}, invocation, rules.reactivate)

    def delete(self, name: str, invocation: Invocation, *, cascade: bool = False) -> Outcome:
        """Removes the account from the tables; errors as `rules.accounts.delete`.

        With `cascade` the shares that it is part of end too.
        """
        return self._executor.execute(_DeleteTask(name, cascade=cascade), invocation)

    def _run(
        self,
        name: str,
        content: Mapping[str, Any],
        invocation: Invocation,
        rule: Callable[[AccountState], Sequence[EventModel]],
    ) -> Outcome:
        return self._executor.execute(RuleTask(name, content, rule), invocation)
