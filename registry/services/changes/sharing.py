"""Commands about sharing: a borrower uses a lender's credential."""

import uuid
from collections.abc import Iterable

import psycopg
from psycopg.rows import class_row

from registry.catalog.catalog import known
from registry.catalog.specification import ExchangeSpec
from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.events.base import EventModel
from registry.events.permissions import SharingType
from registry.events.stored import Stream
from registry.execution.account_tasks import AccountTask, RuleTask, next_events
from registry.execution.executor import Decided
from registry.execution.lookup import account_not_found, exchange_of, send_exchange
from registry.execution.required import AllowedCheck
from registry.hints import Command, Hint
from registry.log.append import NewEvent
from registry.log.ids import new_id
from registry.rules import sharing as rules
from registry.rules.account_state import AccountState
from registry.rules.sharing import Lender, Share, ShareRequest

_QUERIES = load_queries("registry.services.changes", "sharing.sql")


class ShareTask(AccountTask):
    """Lets the borrower use the lender's credential; errors as `rules.sharing.share`.

    Raises:
        ExchangeNotFound: no exchange has this name.
        ExchangeNotAllowed: the list of one of the two does not name it.
    """

    def __init__(
        self, borrower: str, lender: str, exchange: str, sharing_type: SharingType
    ) -> None:
        content = {
            "verb": "share",
            "lender": lender,
            "exchange": exchange,
            "sharing_type": sharing_type,
        }
        super().__init__(borrower, content)
        self._lender, self._exchange, self._type = lender, exchange, sharing_type

    def send_reads(self, connection: Connection) -> None:
        """See `Task`."""
        super().send_reads(connection)
        self._exchange_row = send_exchange(connection, self._exchange)
        self._shares = send_shares(connection, self._name)
        self._lender_row = connection.execute(
            _QUERIES["lender"], {"account_name": self._lender, "exchange": self._exchange}
        )
        self._lender_shares = send_shares(connection, self._lender)

    def decide(self) -> Decided:
        """See `Task`."""
        state = self.read_state()
        exchange_id, definition = exchange_of(self._exchange_row, self._exchange)
        spec = known(self._exchange, definition)
        lender = self._read_lender()
        wanted = ShareRequest(exchange_id, self._exchange, self._type, new_id())
        events = rules.share(state, lender, self._shares.fetchall(), wanted)
        checks = [AllowedCheck(name, self._exchange) for name in (self._name, self._lender)]
        return Decided(
            next_events(state, events), notes=tuple(self._notes(lender, spec)), checks=checks
        )

    def _read_lender(self) -> Lender:
        row = self._lender_row.fetchone()
        if row is None:
            raise account_not_found(self._connection, self._lender)
        return Lender(
            id=row[0],
            name=self._lender,
            is_active=row[1],
            active_permissions=tuple(row[2]),
            has_inactive=row[3],
            shares=tuple(self._lender_shares.fetchall()),
        )

    def _notes(self, lender: Lender, spec: ExchangeSpec | None) -> list[str]:
        notes: list[str] = []
        if not any(rules.share_allows(self._type, p) for p in lender.active_permissions):
            missing = (
                f"{lender.name} has no read-only key for {self._exchange}, and a full key is "
                f"never released to a {self._type} share; add one with: "
            )
            place = (lender.name, self._exchange)
            notes.append(Hint(missing, Command("add-credential", *place, permission="read_only")))
        if self._type == "full" and spec is not None and spec.nonce_per_key:
            borrowers = {
                share.borrower for share in lender.shares if share.exchange == self._exchange
            }
            others = sorted(borrowers - {self._name, lender.name})
            users = ", ".join([lender.name, *others, self._name])
            notes.append(
                f"{spec.display_name} counts orders per key: two bots that trade on one key "
                f"break each other's orders ({users}); better give {self._name} a key of its own"
            )
        return notes


class UnshareTask(RuleTask):
    """Ends the borrower's share for an exchange; errors as `rules.sharing.unshare`."""

    def __init__(self, borrower: str, exchange: str) -> None:
        super().__init__(borrower, {"verb": "unshare", "exchange": exchange}, self._unshare)
        self._exchange = exchange

    def send_reads(self, connection: Connection) -> None:
        """See `Task`."""
        super().send_reads(connection)
        self._exchange_row = send_exchange(connection, self._exchange)
        self._shares = send_shares(connection, self._name)

    def _unshare(self, state: AccountState) -> list[EventModel]:
        exchange_of(self._exchange_row, self._exchange)
        return rules.unshare(state, self._shares.fetchall(), self._exchange)


def send_shares(connection: Connection, account_name: str) -> psycopg.Cursor[Share]:
    """Sends the query for an account's shares, ordered by borrower and exchange."""
    cursor = connection.cursor(row_factory=class_row(Share))
    return cursor.execute(_QUERIES["shares_of_account"], {"account_name": account_name})


def revocations(shares: Iterable[Share]) -> list[NewEvent]:
    """The events that end shares, each in its borrower's stream."""
    versions: dict[uuid.UUID, int] = {}
    events = []
    for share in shares:
        version = versions.get(share.borrower_id, share.borrower_version) + 1
        versions[share.borrower_id] = version
        stream = Stream("account", share.borrower_id)
        events.append(NewEvent(stream, version, share.revoked(), share.lender_id))
    return events
