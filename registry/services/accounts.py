"""Commands about accounts."""

import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg

from registry.database.connection import Connection, Database
from registry.database.queries import load_queries
from registry.decisions import account as decisions
from registry.decisions.access import access_revocations
from registry.decisions.account import UNCHANGED, AccountUse, CreateAccount, UpdateAccount
from registry.decisions.sharing import check_affected, lent_by
from registry.decisions.state import AccountState
from registry.errors import AccountExists
from registry.events.base import EventModel
from registry.events.stored import StoredEvent, Stream
from registry.log.append import NewEvent
from registry.log.ids import new_id
from registry.log.reading import events_of, send_account_stream
from registry.services.executor import CommandExecutor, Decision, Invocation, Outcome
from registry.services.lending import revocations, send_shares, shares_of
from registry.services.lookup import account_not_found

_QUERIES = load_queries("registry.services")


def new_events(
    account_id: uuid.UUID, state: AccountState, events: Sequence[EventModel]
) -> list[NewEvent]:
    """The events as the next ones of the account's stream."""
    stream = Stream("account", account_id)
    return [
        NewEvent(stream, state.version + number, event, event.related_account_id)
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
        self._events: list[StoredEvent] = []

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
        self._events = events_of(self._stream)
        state = AccountState.of(self._events)
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


class _DeactivateTask(AccountTask):
    """Stops an account. Its shares stay, and are refused by name until it is active again."""

    def __init__(self, name: str, *, cascade: bool) -> None:
        super().__init__(name, {"verb": "deactivate-account"}, decisions.deactivate)
        self._cascade = cascade

    def send_reads(self, connection: Connection) -> None:
        super().send_reads(connection)
        self._shares = send_shares(connection, self._name)

    def decide(self) -> Decision:
        state = self.read_state()
        events = decisions.deactivate(state)
        affected = lent_by(state, shares_of(self._shares))
        check_affected(f"account {state.name} lends", affected, cascade=self._cascade)
        new = new_events(uuid.UUID(state.account["id"]), state, events)
        return Decision(new, notes=tuple(f"without a key from now on: {one}" for one in affected))


class _DeleteTask(AccountTask):
    """Deletes an account, and with `cascade` the shares that it is part of."""

    def __init__(self, name: str, *, cascade: bool) -> None:
        super().__init__(name, {"verb": "delete-account"}, lambda _: [])
        self._cascade = cascade

    def send_reads(self, connection: Connection) -> None:
        super().send_reads(connection)
        self._use = connection.execute(_QUERIES["account_use"], {"account_name": self._name})
        self._shares = send_shares(connection, self._name)

    def decide(self) -> Decision:
        state = self.read_state()
        account_id = uuid.UUID(state.account["id"])
        open_positions, positions, borrowers = self._use.fetchone() or (0, 0, [])
        use = AccountUse(
            open_positions=open_positions,
            positions=positions,
            borrowers=() if self._cascade else tuple(borrowers),
        )
        *before, deleted = decisions.delete(state, use)
        shares = shares_of(self._shares)
        borrowed = [one for one in shares if one.borrower_id == account_id]
        check_affected(f"account {state.name} borrows", borrowed, cascade=self._cascade)
        own = [*before, *(one.revoked() for one in borrowed), *access_revocations(state), deleted]
        *first, last = new_events(account_id, state, own)
        # The account's row goes last: rows of others refer to it.
        others = revocations(lent_by(state, shares))
        return Decision(
            [*first, *others, last], notes=tuple(f"ended with it: {one}" for one in shares)
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

    def deactivate(self, name: str, invocation: Invocation, *, cascade: bool = False) -> Outcome:
        """Stops the account; errors as `decisions.account.deactivate`.

        Raises:
            AccountInUse: others borrow from it, and `cascade` does not say that they may.
        """
        return self._executor.execute(_DeactivateTask(name, cascade=cascade), invocation)

    def reactivate(self, name: str, invocation: Invocation) -> Outcome:
        """Lets the account go on; errors as `decisions.account.reactivate`."""
        return self._run(name, {"verb": "reactivate-account"}, invocation, decisions.reactivate)

    def delete(self, name: str, invocation: Invocation, *, cascade: bool = False) -> Outcome:
        """Removes the account from the tables; errors as `decisions.account.delete`.

        With `cascade` the shares that it is part of are ended with it.
        """
        return self._executor.execute(_DeleteTask(name, cascade=cascade), invocation)

    def _run(
        self,
        name: str,
        content: Mapping[str, Any],
        invocation: Invocation,
        decide: Callable[[AccountState], Sequence[EventModel]],
    ) -> Outcome:
        return self._executor.execute(AccountTask(name, content, decide), invocation)
