"""Commands about accounts."""

import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg

from registry.database.connection import Connection, Database
from registry.database.queries import load_queries
from registry.decisions import account as decisions
from registry.decisions.account import UNCHANGED, AccountUse, CreateAccount, UpdateAccount
from registry.decisions.state import AccountState
from registry.errors import AccountExists
from registry.events.base import EventModel
from registry.events.stored import Stream
from registry.log.append import NewEvent
from registry.log.ids import new_id
from registry.log.reading import events_of, send_account_stream
from registry.services.executor import CommandExecutor, Decision, Invocation, Outcome
from registry.services.lookup import account_not_found

_QUERIES = load_queries("registry.services")


def new_events(
    account_id: uuid.UUID, state: AccountState, events: Sequence[EventModel]
) -> list[NewEvent]:
    """The events as the next ones of the account's stream."""
    stream = Stream("account", account_id)
    return [
        NewEvent(stream, state.version + number, event)
        for number, event in enumerate(events, start=1)
    ]


class AccountTask:
    """A command about one account that exists: reads its stream, then decides."""

    def __init__(
        self,
        name: str,
        content: Mapping[str, Any],
        decide: Callable[[AccountState], Sequence[EventModel]],
    ) -> None:
        self._name = name
        self._content = content
        self._decide = decide
        self._connection: Connection | None = None
        self._stream: psycopg.Cursor[Any] | None = None

    def send_reads(self, connection: Connection) -> None:
        """See `Task`."""
        self._connection = connection
        self._stream = send_account_stream(connection, self._name)

    def content(self) -> Mapping[str, Any]:
        """See `Task`."""
        return {**self._content, "account": self._name}

    def read_state(self) -> AccountState:
        """The account as it is.

        Raises:
            AccountNotFound: no account has this name.
        """
        assert self._stream is not None  # noqa: S101 - the executor reads before it decides
        assert self._connection is not None  # noqa: S101
        state = AccountState.of(events_of(self._stream))
        if not state.exists:
            raise account_not_found(self._connection, self._name)
        return state

    def decide(self) -> Decision:
        """See `Task`."""
        state = self.read_state()
        events = self._decide(state)
        return Decision(new_events(uuid.UUID(state.account["id"]), state, events))


class _CreateTask:
    def __init__(self, command: CreateAccount) -> None:
        self._command = command
        self._id = new_id()

    def send_reads(self, connection: Connection) -> None:
        """Nothing to read: the table guards that the name is free."""

    def content(self) -> Mapping[str, Any]:
        command = self._command
        return {
            "verb": "create-account",
            "account": command.account_name,
            "wallet_address": command.wallet_address,
            "description": command.description,
            "metadata": command.metadata,
        }

    def decide(self) -> Decision:
        return Decision(new_events(self._id, AccountState(), decisions.create(self._command)))


class _DeleteTask(AccountTask):
    def __init__(self, name: str) -> None:
        super().__init__(name, {"verb": "delete-account"}, self._delete)
        self._use: psycopg.Cursor[Any] | None = None

    def send_reads(self, connection: Connection) -> None:
        super().send_reads(connection)
        self._use = connection.execute(_QUERIES["account_use"], {"account_name": self._name})

    def _delete(self, state: AccountState) -> list[EventModel]:
        row = None if self._use is None else self._use.fetchone()
        open_positions, positions, borrowers = row or (0, 0, [])
        return decisions.delete(
            state,
            AccountUse(
                open_positions=open_positions, positions=positions, borrowers=tuple(borrowers)
            ),
        )


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    # The table guards that names are unique; its error does not say which it was about.
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
        """Makes an account; errors as `decisions.account.create`.

        Raises:
            AccountExists: the name belongs to another account.
        """
        with _naming(command.account_name):
            return self._executor.execute(_CreateTask(command), invocation)

    def update(self, name: str, command: UpdateAccount, invocation: Invocation) -> Outcome:
        """Changes details; errors as `decisions.account.update`."""
        details = {
            "wallet_address": command.wallet_address,
            "description": command.description,
            "metadata": command.metadata,
        }
        named = {detail: value for detail, value in details.items() if value is not UNCHANGED}
        return self._run(
            name,
            {"verb": "update-account", **named},
            invocation,
            lambda state: decisions.update(state, command),
        )

    def rename(self, name: str, new_name: str, invocation: Invocation) -> Outcome:
        """Gives another name; errors as `decisions.account.rename`.

        Raises:
            AccountExists: the new name belongs to another account.
        """
        with _naming(new_name):
            return self._run(
                name,
                {"verb": "rename-account", "new_name": new_name},
                invocation,
                lambda state: decisions.rename(state, new_name),
            )

    def deactivate(self, name: str, invocation: Invocation) -> Outcome:
        """Stops the account; errors as `decisions.account.deactivate`."""
        return self._run(name, {"verb": "deactivate-account"}, invocation, decisions.deactivate)

    def reactivate(self, name: str, invocation: Invocation) -> Outcome:
        """Lets the account go on; errors as `decisions.account.reactivate`."""
        return self._run(name, {"verb": "reactivate-account"}, invocation, decisions.reactivate)

    def delete(self, name: str, invocation: Invocation) -> Outcome:
        """Removes the account from the tables; errors as `decisions.account.delete`."""
        return self._executor.execute(_DeleteTask(name), invocation)

    def _run(
        self,
        name: str,
        content: Mapping[str, Any],
        invocation: Invocation,
        decide: Callable[[AccountState], Sequence[EventModel]],
    ) -> Outcome:
        return self._executor.execute(AccountTask(name, content, decide), invocation)
