"""Lists of shares, of access, and of positions with their owners."""

from registry.database.connection import Connection, Database, registry_errors
from registry.database.queries import load_queries, read_rows
from registry.execution.lookup import check_names
from registry.rules.stops import Stop
from registry.services.reading.accounts import Record

_QUERIES = load_queries("registry.services.reading", "lists.sql")


def list_shares(
    database: Database, account: str | None = None, exchange: str | None = None
) -> list[Record]:
    """The shares of an account (as borrower or lender), of an exchange, or all.

    Raises:
        AccountNotFound: no account has this name.
        ExchangeNotFound: no exchange has this name.
    """
    return _rows(database, "shares", account, exchange)


def list_access(database: Database, account: str | None = None) -> list[Record]:
    """The roles that may use an account, or all accounts, with their accounts.

    Raises:
        AccountNotFound: no account has this name.
    """
    return _rows(database, "access", account, None)


def list_positions(
    database: Database,
    account: str | None = None,
    exchange: str | None = None,
    *,
    unowned: bool = False,
    all_: bool = False,
) -> list[Record]:
    """Open positions, or all; of one account, of no account, or of any; with a side there.

    Raises:
        AccountNotFound: no account has this name.
        ExchangeNotFound: no exchange has this name.
    """
    return _rows(database, "positions", account, exchange, unowned=unowned, all=all_)


def _rows(
    database: Database, query: str, account: str | None, exchange: str | None, **more: bool
) -> list[Record]:
    with database.connection() as connection, registry_errors(connection):
        check_names(connection, account, exchange)
        parameters = {"account_name": account, "exchange": exchange, **more}
        return read_rows(connection, _QUERIES[query], parameters)


def stops_in_force(connection: Connection) -> list[Stop]:
    """The stops that are in force, the oldest first."""
    return [Stop.of(found) for (found,) in connection.execute(_QUERIES["stops"])]


def list_stops(database: Database) -> list[Stop]:
    """The same for a database."""
    with database.connection() as connection, registry_errors(connection):
        return stops_in_force(connection)
