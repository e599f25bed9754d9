"""The positions of one account, for bots.

    from registry.positions import FundingArbPositionManager

    positions = FundingArbPositionManager("main_bot")
    position_id = positions.create(symbol="BTC", long_dex="lighter", short_dex="backpack", …)

Every statement names the account, so that the id of another account's position finds
nothing. For every writer, the database enforces the limits in the account's metadata:
`max_positions` and `max_exposure_usd` (the sum of `size_usd` of the open positions). A
member of registry_bot sees only the positions of its own accounts.
"""

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

import orjson
from psycopg import sql
from psycopg.rows import class_row

from registry.clock import now
from registry.database.connection import Connection, Database, registry_errors
from registry.database.patience import patiently
from registry.database.pool import PooledDatabase
from registry.database.queries import load_queries
from registry.database.target import Target
from registry.errors import ExchangeNotFound, InvalidInput, PositionNotFound
from registry.hints import Command, Hint
from registry.services.releases.account_info import account_info

log = logging.getLogger(__name__)

_QUERIES = load_queries("registry", "positions.sql")

_Result = TypeVar("_Result")
_KEPT_SECONDS: Final = 5.0
"""Time that a connection is kept open for the next call: an active bot makes several."""

_CHANGEABLE: Final = {
    "size_usd": "numeric",
    "current_divergence": "numeric",
    "last_check": "timestamp",
    "rebalance_pending": "boolean",
    "rebalance_reason": "varchar",
    "cumulative_funding_usd": "numeric",
    "funding_payments_count": "integer",
    "pnl_usd": "numeric",
    "metadata": "jsonb",
}
"""Column that `update` may change -> its type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A position: long at one exchange, short at another. Amounts are USD, times are in UTC."""

    id: uuid.UUID
    symbol: str
    long_dex: str
    short_dex: str
    size_usd: Decimal
    entry_long_rate: Decimal
    entry_short_rate: Decimal
    entry_divergence: Decimal
    opened_at: dt.datetime
    status: str
    current_divergence: Decimal | None
    last_check: dt.datetime | None
    rebalance_pending: bool | None
    rebalance_reason: str | None
    exit_reason: str | None
    closed_at: dt.datetime | None
    pnl_usd: Decimal | None
    cumulative_funding_usd: Decimal | None
    funding_payments_count: int | None
    metadata: dict[str, Any] | None


class FundingArbPositionManager:
    """Creates, reads, changes and closes the positions of one account only."""

    def __init__(
        self,
        account: str | uuid.UUID | None = None,
        database: Database | None = None,
        *,
        account_id: str | uuid.UUID | None = None,
        strategy: str = "funding_arbitrage",
    ) -> None:
        """Looks the account up, by its name or by its id.

        Raises:
            AccountNotFound, AccountInactive: there is no such account, or it is stopped.
            NotPermitted: the login role may not use it.
            InvalidInput: not exactly one of name and id is given, or the id is no UUID.
            DatabaseUnavailable: no server answers.
        """
        named = _account(account, account_id)
        self._database: Database = database or PooledDatabase(
            Target.for_bots(), keep=_KEPT_SECONDS, notice=log.warning
        )
        found = account_info(self._database, named)
        self.account = found.account_name
        self._scope = {"account_id": found.account_id, "strategy": strategy}

    def create(
        self,
        *,
        symbol: str,
        long_dex: str,
        short_dex: str,
        size_usd: Decimal,
        entry_long_rate: Decimal,
        entry_short_rate: Decimal,
        entry_divergence: Decimal | None = None,
        opened_at: dt.datetime | None = None,
        metadata: Mapping[str, Any] | None = None,
        position_id: uuid.UUID | None = None,
    ) -> uuid.UUID:
        """Opens a position and returns its id. The divergence is short minus long by default.

        Raises:
            LimitReached: the position exceeds the limits of the account.
            ExchangeNotAllowed: the account's list does not name one of the exchanges.
            AccountInactive: the account was stopped meanwhile.
            ExchangeNotFound: no exchange has one of the names.
        """
        new_id = position_id or uuid.uuid4()
        divergence = entry_short_rate - entry_long_rate
        values = {
            **self._scope,
            "id": new_id,
            "symbol": symbol,
            "long_dex": long_dex,
            "short_dex": short_dex,
            "size_usd": _positive(size_usd),
            "entry_long_rate": entry_long_rate,
            "entry_short_rate": entry_short_rate,
            "entry_divergence": divergence if entry_divergence is None else entry_divergence,
            "opened_at": _utc(opened_at or now()),
            "metadata": None if metadata is None else orjson.dumps(metadata).decode(),
        }

        def insert(connection: Connection) -> int:
            with connection.transaction():
                connection.execute(_QUERIES["add_symbol"], {"symbol": symbol})
                return connection.execute(_QUERIES["create"], values).rowcount

        if not self._do(insert, repeatable=False):
            raise ExchangeNotFound(
                f"there is no exchange {long_dex}, or none {short_dex}",
                hint=Hint("See: ", Command("exchanges")),
            )
        return new_id

    def get(self, position_id: uuid.UUID) -> Position | None:
        """The position, open or closed; None if the account has none of this id."""
        return next(iter(self._positions(position_id)), None)

    def list_open(self) -> list[Position]:
        """The positions that are not closed, the oldest first."""
        return self._positions(None)

    def update(self, position_id: uuid.UUID, **changes: Any) -> None:
        """Changes values of a position.

        Raises:
            PositionNotFound: the account has no position of this id.
            LimitReached: the change exceeds the limits of the account.
            InvalidInput: a value cannot be changed, or none is given.
        """
        unknown = sorted(changes.keys() - _CHANGEABLE.keys())
        if unknown or not changes:
            raise InvalidInput(
                f"a position's {unknown[0]} cannot be changed" if unknown else "nothing to change",
                hint=f"These can: {', '.join(_CHANGEABLE)}. Use close to close it.",
            )
        if "size_usd" in changes:
            _positive(changes["size_usd"])
        values = {name: _adapted(value) for name, value in changes.items()}
        values["updated_at"] = _utc(now())
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}::{}").format(
                sql.Identifier(name),
                sql.Placeholder(name),
                sql.SQL(_CHANGEABLE.get(name, "timestamp")),
            )
            for name in values
        )
        # As in positions.sql, limited to the account.
        statement = sql.SQL(
            "UPDATE public.strategy_positions SET {} WHERE id = %(position_id)s "
            "AND account_id = %(account_id)s AND strategy_name = %(strategy)s"
        ).format(assignments)
        parameters = {**values, **self._scope, "position_id": position_id}
        if not self._do(lambda connection: connection.execute(statement, parameters).rowcount):
            raise self._not_found(position_id)

    def close(
        self, position_id: uuid.UUID, exit_reason: str, pnl_usd: Decimal | None = None
    ) -> bool:
        """Closes a position; False if it is closed already.

        `pnl_usd` is the profit or loss; the default is the position's cumulative funding.

        Raises:
            PositionNotFound: the account has no position of this id.
        """
        values = {
            **self._scope,
            "id": position_id,
            "exit_reason": exit_reason,
            "closed_at": _utc(now()),
            "pnl_usd": pnl_usd,
        }
        closed = self._do(
            lambda connection: connection.execute(_QUERIES["close"], values).rowcount,
            repeatable=False,
        )
        if not closed and self.get(position_id) is None:
            raise self._not_found(position_id)
        return bool(closed)

    def _positions(self, position_id: uuid.UUID | None) -> list[Position]:
        def read(connection: Connection) -> list[Position]:
            with connection.cursor(row_factory=class_row(Position)) as cursor:
                parameters = {**self._scope, "id": position_id}
                return cursor.execute(_QUERIES["positions"], parameters).fetchall()

        return self._do(read)

    def _do(self, work: Callable[[Connection], _Result], *, repeatable: bool = True) -> _Result:
        """Returns the result of the work; waits for a server that is away.

        Work that is not `repeatable` is not retried if it may have had an effect.
        """

        def attempt() -> _Result:
            with self._database.connection() as connection, registry_errors(connection):
                return work(connection)

        return patiently(attempt, repeatable=repeatable)

    def _not_found(self, position_id: uuid.UUID) -> PositionNotFound:
        return PositionNotFound(f"account {self.account} has no position {position_id}")


def _account(account: str | uuid.UUID | None, account_id: Any) -> str | uuid.UUID:
    if (account is None) is (account_id is None):
        raise InvalidInput("an account is named by its name or by account_id, one of the two")
    if account is not None:
        return account
    try:
        return uuid.UUID(str(account_id))
    except ValueError:
        raise InvalidInput(
            "account_id is not a UUID", hint="An account's name is given without account_id."
        ) from None


def _positive(size_usd: Decimal) -> Decimal:
    if not size_usd > 0:
        raise InvalidInput("the size of a position must be more than 0 USD")
    return size_usd


def _utc(moment: dt.datetime) -> dt.datetime:
    # The columns have no time zone; a moment without one is taken as UTC.
    return moment if moment.tzinfo is None else moment.astimezone(dt.UTC).replace(tzinfo=None)


def _adapted(value: Any) -> Any:
    match value:
        case dict():
            return orjson.dumps(value).decode()
        case dt.datetime():
            return _utc(value)
        case _:
            return value
