"""Looks accounts and exchanges up by name, with helpful errors for unknown names."""

import uuid
from collections.abc import Iterable
from typing import Any, Final

import psycopg

from registry.database.connection import Connection
from registry.database.queries import load_queries, one_row
from registry.errors import AccountNotFound, ExchangeNotFound
from registry.hints import Blank, Command, Hint
from registry.shown import shown

_QUERIES = load_queries("registry.execution")
_EXCHANGE_STREAMS: Final = uuid.UUID("8f0a5f0e-6f3b-5c52-9a51-0a1f0a7a6a01")


def exchange_stream_id(name: str) -> uuid.UUID:
    """The id of the stream with a user's definition of an exchange."""
    return uuid.uuid5(_EXCHANGE_STREAMS, name)


def account_not_found(connection: Connection, name: str) -> AccountNotFound:
    """The error for an unknown account name: deleted, renamed, not adopted yet, or mistyped."""
    former = connection.execute(_QUERIES["former_name"], {"account_name": name}).fetchone()
    if former is not None:
        position, event_type, _, actor, recorded_at, name_now = former
        when = f"on {recorded_at:%Y-%m-%d} by {actor} (event {position})"
        if event_type == "AccountRenamed" and name_now is not None:
            return AccountNotFound(
                f"account {name} was renamed to {name_now} {when}", hint=f"Use {name_now}."
            )
        if event_type == "AccountDeleted":
            return AccountNotFound(
                f"account {name} was deleted {when}", hint=Hint("See: ", Command("history", name))
            )
    names = [row[0] for row in connection.execute(_QUERIES["account_names"])]
    if name in names:
        return AccountNotFound(
            f"the account {name} is not in the log yet: its row is older than the registry",
            hint=Hint("Take such rows in first: ", Command("adopt", dry_run=True)),
        )
    return AccountNotFound(
        f"there is no account {shown(name)}",
        hint=_suggestion(name, names) or Hint("See: ", Command("list-accounts")),
    )


def account_id(connection: Connection, name: str, *, also_former: bool = False) -> uuid.UUID:
    """The id of the account with this name, or, with `also_former`, of the last one that had it.

    Raises:
        AccountNotFound: there is none.
    """
    row = connection.execute(
        "SELECT a.id FROM public.accounts AS a WHERE a.account_name = %s", [name]
    ).fetchone()
    if row is None and also_former:
        former = connection.execute(_QUERIES["former_name"], {"account_name": name}).fetchone()
        row = None if former is None else (former[2],)
    if row is None:
        raise account_not_found(connection, name)
    found: uuid.UUID = row[0]
    return found


def check_names(connection: Connection, account: str | None, exchange: str | None = None) -> None:
    """Checks that the account and the exchange of a filter exist.

    Raises:
        AccountNotFound: no account has this name.
        ExchangeNotFound: no exchange has this name.
    """
    if account is not None:
        account_id(connection, account)
    if exchange is not None and exchange not in _built_in():
        exchange_of(send_exchange(connection, exchange), exchange)


def send_exchange(connection: Connection, name: str) -> psycopg.Cursor[Any]:
    """Sends the query for an exchange; `exchange_of` reads the result."""
    parameters = {"exchange": name, "stream_id": exchange_stream_id(name)}
    return connection.execute(_QUERIES["exchange"], parameters)


def exchange_of(cursor: psycopg.Cursor[Any], name: str) -> tuple[int, dict[str, Any] | None]:
    """The exchange's id in `dexes`, and the user's definition of it, if any.

    Raises:
        ExchangeNotFound: `dexes` has no exchange of this name.
    """
    exchange_id, definition, names = one_row(cursor)
    if exchange_id is None:
        raise exchange_not_found(name, names)
    return exchange_id, definition


def _built_in() -> Iterable[str]:
    from registry.catalog.catalog import built_in_exchanges  # it takes long to import

    return built_in_exchanges().keys()


def _of_catalog(name: str) -> str | None:
    from registry.catalog.catalog import meant

    known = meant(name, {*_built_in()})
    return f"Did you mean {known}?" if known != name else _suggestion(name, _built_in())


def exchange_not_found(name: str, names: Iterable[str]) -> ExchangeNotFound:
    """The error for a name that no exchange has, of those that have these."""
    if name in _built_in():
        return ExchangeNotFound(
            f"no account has a credential for {name} yet",
            hint=Hint("Add one with: ", Command("add-credential", Blank("ACCOUNT"), name)),
        )
    return ExchangeNotFound(
        f"there is no exchange {shown(name)}",
        hint=_suggestion(name, names)
        or _of_catalog(name)
        or Hint(
            "See: ",
            Command("exchanges"),
            "; add one with: ",
            Command("add-exchange", Blank("EXCHANGE")),
        ),
    )


def _suggestion(name: str, names: Iterable[str]) -> str | None:
    import difflib

    by_lower = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(by_lower[match] for match in close)}?" if close else None
