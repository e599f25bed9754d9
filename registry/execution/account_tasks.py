"""Base classes of commands about one account, whose stream is read for the decision."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg

from registry.database.connection import Connection
from registry.events.base import EventModel
from registry.events.stored import StoredEvent, Stream
from registry.execution.executor import Decided, Task
from registry.execution.lookup import account_not_found
from registry.log.append import NewEvent
from registry.log.reading import events_of, send_account_stream
from registry.rules.account_state import AccountState


def new_events(
    account_id: uuid.UUID, state: AccountState, events: Sequence[EventModel]
) -> list[NewEvent]:
    """Numbers the events as the next of the account's stream, after this state."""
    stream = Stream("account", account_id)
    return [
        NewEvent(stream, state.version + number, event, event.related_account_id)
        for number, event in enumerate(events, start=1)
    ]


def next_events(state: AccountState, events: Sequence[EventModel]) -> list[NewEvent]:
    """Numbers the events as the next of an existing account."""
    return new_events(uuid.UUID(state.account["id"]), state, events)


class AccountTask(Task):
    """A command about one account; see `executor.Task`."""

    # Set by `send_reads`, which the executor calls first.
    _connection: Connection
    _stream: psycopg.Cursor[Any]
    _events: list[StoredEvent]

    def __init__(self, name: str, content: Mapping[str, Any]) -> None:
        """Takes the account's name, and the other content of the command."""
        self._name = name
        self._content = content

    def send_reads(self, connection: Connection) -> None:
        """See `Task`."""
        self._connection = connection
        self._stream = send_account_stream(connection, self._name)

    def content(self) -> Mapping[str, Any]:
        """See `Task`."""
        return {**self._content, "account": self._name}

    def read_state(self) -> AccountState:
        """The current state of the account.

        Raises:
            AccountNotFound: no account has this name.
        """
        self._events = events_of(self._stream)
        state = AccountState.of(self._events)
        if not state.exists:
            raise account_not_found(self._connection, self._name)
        return state


class RuleTask(AccountTask):
    """A command that one rule decides, from the account's state alone."""

    def __init__(
        self,
        name: str,
        content: Mapping[str, Any],
        rule: Callable[[AccountState], Sequence[EventModel]],
    ) -> None:
        """Takes the rule too, a function of `registry.rules`."""
        super().__init__(name, content)
        self._rule = rule

    def decide(self) -> Decided:
        """See `Task`."""
        state = self.read_state()
        return Decided(next_events(state, self._rule(state)))
