"""Commands about the positions that an account owns. The positions themselves are the bot's."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.errors import PositionNotFound
from registry.events.positions import PositionsUnlinked
from registry.events.stored import Stream
from registry.execution.account_tasks import AccountTask, next_events
from registry.execution.executor import Decided
from registry.hints import Command, Hint
from registry.log.append import NewEvent
from registry.log.reading import send_versions, versions_of
from registry.rules import positions as rules
from registry.rules.positions import Owned

_QUERIES = load_queries("registry.services.changes", "positions.sql")


class _PositionsTask(AccountTask):
    """Reads the account and the named positions with their owners; None: all of a kind."""

    all_of = "unowned"

    def __init__(self, verb: str, account: str, positions: Sequence[uuid.UUID] | None) -> None:
        named = None if positions is None else [str(position) for position in positions]
        super().__init__(account, {"verb": verb, "positions": named})
        self._positions = positions

    def send_reads(self, connection: Connection) -> None:
        super().send_reads(connection)
        query = self.all_of if self._positions is None else "named"
        parameters = {"account_name": self._name, "positions": list(self._positions or ())}
        self._rows: psycopg.Cursor[Any] = connection.execute(_QUERIES[query], parameters)

    def positions(self) -> list[Owned]:
        """The positions that were read.

        Raises:
            PositionNotFound: some of the named positions do not exist.
        """
        found = [Owned(*row) for row in self._rows]
        known = {position.id for position in found}
        missing = [str(wanted) for wanted in self._positions or () if wanted not in known]
        if missing:
            raise PositionNotFound(
                f"there is no position {', '.join(missing)}",
                hint=Hint("See: ", Command("list-positions", closed=True)),
            )
        return found


class LinkTask(_PositionsTask):
    """Links positions to the account; None links all unowned positions.

    Raises:
        PositionNotFound: one does not exist.
        PositionsOwned: one belongs to another account, and `move` is not set.
        ExchangeNotAllowed: one is open at an exchange that the account's list does not name.
        AccountNotFound, AccountInactive: see `registry.rules`.
    """

    def __init__(self, account: str, positions: Sequence[uuid.UUID] | None, *, move: bool) -> None:
        super().__init__("link-positions", account, positions)
        self._move = move

    def content(self) -> Mapping[str, Any]:
        """See `Task`."""
        return {**super().content(), "move": self._move}

    def decide(self) -> Decided:
        """See `Task`."""
        state = self.read_state()
        linking = rules.link(state, self.positions(), move=self._move)
        linked = next_events(state, linking.linked)
        return Decided([*self._given_up(linking.unlinked), *linked])

    def _given_up(
        self, unlinked: Mapping[uuid.UUID, Sequence[PositionsUnlinked]]
    ) -> list[NewEvent]:
        if not unlinked:
            return []
        streams = [Stream("account", owner) for owner in unlinked]
        versions = versions_of(send_versions(self._connection, streams))
        return [
            NewEvent(stream, versions[stream] + number, event)
            for stream, events in zip(streams, unlinked.values(), strict=True)
            for number, event in enumerate(events, start=1)
        ]


class UnlinkTask(_PositionsTask):
    """Unlinks positions from the account, None all its positions; errors as `LinkTask`."""

    all_of = "owned"

    def __init__(self, account: str, positions: Sequence[uuid.UUID] | None) -> None:
        super().__init__("unlink-positions", account, positions)

    def decide(self) -> Decided:
        """See `Task`."""
        state = self.read_state()
        return Decided(next_events(state, rules.unlink(state, self.positions())))
