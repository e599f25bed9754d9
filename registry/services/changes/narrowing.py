"""What a change of `allowed_exchanges`, the list of an account's metadata, means for others."""

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.execution.lookup import exchange_not_found
from registry.rules.account_state import AccountState
from registry.rules.limits import ALLOWED_EXCHANGES, stopped
from registry.rules.sharing import check_affected, lent_by
from registry.services.changes.sharing import send_shares

_QUERIES = load_queries("registry.execution")


def send_names(connection: Connection) -> psycopg.Cursor[Any]:
    """Asks for the names of all exchanges."""
    return connection.execute(_QUERIES["exchange_names"])


def check_names(
    rows: Iterable[tuple[str]], before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """Looks at the exchanges that the list names from now on; `rows` answer `send_names`.

    Raises:
        ExchangeNotFound: there is none of such a name.
    """
    named = after.get(ALLOWED_EXCHANGES) or ()
    if not named:
        return
    from registry.catalog.catalog import built_in_exchanges

    known = {*built_in_exchanges(), *(name for (name,) in rows)}
    had = before.get(ALLOWED_EXCHANGES)
    for name in named:
        if name not in known and not (isinstance(had, list) and name in had):
            raise exchange_not_found(name, known)


class Narrowing:
    """What stops where an account's list gets shorter."""

    def __init__(self, connection: Connection, account_name: str) -> None:
        """Sends the questions."""
        self._names = send_names(connection)
        self._shares = send_shares(connection, account_name)
        self._positions = connection.execute(
            _QUERIES["positions_by_exchange"], {"account_name": account_name}
        )

    def notes(self, state: AccountState, after: Mapping[str, Any], *, cascade: bool) -> list[str]:
        """What stops, in words.

        Raises:
            ExchangeNotFound: see `check_names`.
            AccountInUse: others borrow it, and `cascade` does not say that they may lose it.
        """
        check_names(self._names, state.account["metadata"], after)
        stops = stopped(state.account["metadata"], after)
        shares = [share for share in self._shares if stops(share.exchange)]
        check_affected(f"account {state.name} lends", lent_by(state, shares), cascade=cascade)
        slots = [state.slot_of(row) for row in state.credentials() if row["is_active"]]
        return [
            *(f"without a key from now on: {share}" for share in shares),
            *(f"not to be used from now on: {slot}" for slot in slots if stops(slot.exchange)),
            *(
                f"only to be made smaller or closed: positions at {exchange} ({number:,})"
                for exchange, number in self._positions
                if stops(exchange)
            ),
        ]
