"""Commands about accounts."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from registry.database.connection import Connection, Database
from registry.errors import AccountExists
from registry.events.base import EventModel
from registry.execution.account_tasks import AccountTask, RuleTask, new_events, next_events
from registry.execution.executor import CommandExecutor, Decided, Invocation, Outcome
from registry.log.ids import new_id
from registry.rules import accounts as rules
from registry.rules.account_state import AccountState
from registry.rules.accounts import CreateAccount, UpdateAccount
from registry.rules.metadata import dropped

if TYPE_CHECKING:
    from registry.services.changes.narrowing import Narrowing


class _CreateTask:
    def __init__(self, command: CreateAccount) -> None:
        self._command = command
        self._id = new_id()

    def send_reads(self, connection: Connection) -> None:
        """A unique constraint guards the name; the exchanges are read if metadata may name some."""
        self._names: Iterable[tuple[str]] | None = None
        if self._command.details.get("metadata"):
            from registry.services.changes.narrowing import send_names

            self._names = send_names(connection)

    def content(self) -> Mapping[str, Any]:
        command = self._command
        return {"verb": "create-account", "account": command.account_name, **command.details}

    def decide(self) -> Decided:
        events = rules.create(self._command)
        if self._names is not None:
            from registry.services.changes.narrowing import check_names

            check_names(self._names, {}, self._command.details["metadata"])
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
        self._narrowing: Narrowing | None = None
        if self._command.keys or "metadata" in self._command.details:
            from registry.services.changes import narrowing

            self._narrowing = narrowing.Narrowing(connection, self._name)

    def decide(self) -> Decided:
        state = self.read_state()
        events = rules.update(state, self._command)
        if self._narrowing is None:
            return Decided(next_events(state, events))
        before = state.account["metadata"]
        told = (event.metadata for event in events if "metadata" in event.model_fields_set)
        after = next(told, before)
        replaced = self._command.details.get("metadata")
        notes = [] if replaced is None else dropped(before, replaced)
        notes += self._narrowing.notes(state, after, cascade=self._cascade)
        return Decided(next_events(state, events), notes=tuple(notes))


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
        from registry.services.changes.account_ends import DeactivateTask

        return self._executor.execute(DeactivateTask(name, cascade=cascade), invocation)

    def reactivate(self, name: str, invocation: Invocation) -> Outcome:
        """Reactivates the account; errors as `rules.accounts.reactivate`."""
        return self._run(name, {"verb": "reactivate-account"}, invocation, rules.reactivate)

    def delete(self, name: str, invocation: Invocation, *, cascade: bool = False) -> Outcome:
        """Removes the account from the tables; errors as `rules.accounts.delete`.

        With `cascade` the shares that it is part of end too.
        """
        from registry.services.changes.account_ends import DeleteTask

        return self._executor.execute(DeleteTask(name, cascade=cascade), invocation)

    def _run(
        self,
        name: str,
        content: Mapping[str, Any],
        invocation: Invocation,
        rule: Callable[[AccountState], Sequence[EventModel]],
    ) -> Outcome:
        return self._executor.execute(RuleTask(name, content, rule), invocation)
