"""Commands about accounts."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from registry.database.connection import Connection
from registry.errors import AccountExists
from registry.execution.account_tasks import AccountTask, RuleTask, new_events, next_events
from registry.execution.executor import Decided
from registry.log.ids import new_id
from registry.rules import accounts as rules
from registry.rules.account_state import AccountState
from registry.rules.accounts import CreateAccount, UpdateAccount
from registry.rules.metadata import dropped

if TYPE_CHECKING:
    from registry.services.changes.narrowing import Narrowing


class CreateTask:
    """Creates an account, within `naming`; errors as `rules.accounts.create`."""

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
        """See `Task`."""
        command = self._command
        return {"verb": "create-account", "account": command.account_name, **command.details}

    def decide(self) -> Decided:
        """See `Task`."""
        events = rules.create(self._command)
        if self._names is not None:
            from registry.services.changes.narrowing import check_names

            check_names(self._names, {}, self._command.details["metadata"])
        return Decided(new_events(self._id, AccountState(), events))


class UpdateTask(AccountTask):
    """Changes details, and says what else that means; errors as `rules.accounts.update`.

    AccountInUse if others borrow for an exchange that the metadata does not allow any more, and
    `cascade` does not say that they may lose it. ExchangeNotFound if there is no exchange of a
    name that it allows.
    """

    def __init__(self, name: str, command: UpdateAccount, *, cascade: bool) -> None:
        keys = {name: given for name, given in asdict(command.keys).items() if given}
        super().__init__(name, {"verb": "update-account", **command.details, **keys})
        self._command = command
        self._cascade = cascade

    def send_reads(self, connection: Connection) -> None:
        """See `Task`."""
        super().send_reads(connection)
        self._narrowing: Narrowing | None = None
        if self._command.keys or "metadata" in self._command.details:
            from registry.services.changes import narrowing

            self._narrowing = narrowing.Narrowing(connection, self._name)

    def decide(self) -> Decided:
        """See `Task`."""
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
def naming(name: str) -> Iterator[None]:
    """Lets AccountExists name the account; the unique constraint's error does not.

    Raises:
        AccountExists: another account has the name.
    """
    try:
        yield
    except AccountExists:
        raise AccountExists(
            f"there is an account {name} already", hint="Choose another name."
        ) from None


def rename(name: str, new_name: str) -> RuleTask:
    """Renames an account, within `naming`; errors as `rules.accounts.rename`."""
    content = {"verb": "rename-account", "new_name": new_name}
    return RuleTask(name, content, lambda state: rules.rename(state, new_name))


def reactivate(name: str) -> RuleTask:
    """Reactivates an account; errors as `rules.accounts.reactivate`."""
    return RuleTask(name, {"verb": "reactivate-account"}, rules.reactivate)
