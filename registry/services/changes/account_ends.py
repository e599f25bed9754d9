"""How an account ends: it is deactivated, or deleted, with what others have of it."""

import uuid

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.execution.account_tasks import AccountTask, next_events
from registry.execution.executor import Decided
from registry.plurals import counted
from registry.rules import accounts as rules
from registry.rules.access import access_revocations
from registry.rules.accounts import AccountUse
from registry.rules.sharing import check_affected, lent_by
from registry.services.changes.sharing import revocations, send_shares

_QUERIES = load_queries("registry.execution")


class DeactivateTask(AccountTask):
    """Stops an account. Its shares stay, but are refused until the account is active again."""

    def __init__(self, name: str, *, cascade: bool) -> None:
        """Takes the account's name."""
        super().__init__(name, {"verb": "deactivate-account"})
        self._cascade = cascade

    def send_reads(self, connection: Connection) -> None:
        """See `Task`."""
        super().send_reads(connection)
        self._shares = send_shares(connection, self._name)

    def decide(self) -> Decided:
        """See `Task`."""
        state = self.read_state()
        events = rules.deactivate(state)
        affected = lent_by(state, self._shares.fetchall())
        check_affected(f"account {state.name} lends", affected, cascade=self._cascade)
        notes = tuple(f"without a key from now on: {share}" for share in affected)
        return Decided(next_events(state, events), notes=notes)


class DeleteTask(AccountTask):
    """Deletes an account; `cascade` also ends its shares and gives up its closed positions."""

    def __init__(self, name: str, *, cascade: bool) -> None:
        """Takes the account's name."""
        super().__init__(name, {"verb": "delete-account"})
        self._cascade = cascade

    def send_reads(self, connection: Connection) -> None:
        """See `Task`."""
        super().send_reads(connection)
        self._use = connection.execute(_QUERIES["account_use"], {"account_name": self._name})
        self._shares = send_shares(connection, self._name)

    def decide(self) -> Decided:
        """See `Task`."""
        state = self.read_state()
        account_id = uuid.UUID(state.account["id"])
        open_positions, closed, borrowers = self._use.fetchone() or (0, [], [])
        use = AccountUse(
            open_positions=open_positions,
            closed_positions=tuple(closed),
            borrowers=() if self._cascade else tuple(borrowers),
        )
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
