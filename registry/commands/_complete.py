"""What a shell completes: names out of a database that runs already, and nothing else.

A completion is silent: without a database, without a right to read, there is nothing to offer.
It never starts a server, never waits for one, and never sees a secret.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

_ACCOUNTS: Final = "SELECT account_name FROM public.accounts ORDER BY 1"
_EXCHANGES: Final = "SELECT name FROM public.dexes ORDER BY 1"
_SUBACCOUNTS: Final = (
    "SELECT DISTINCT subaccount_index::text FROM public.credential_overview "
    "WHERE subaccount_index IS NOT NULL ORDER BY 1"
)
_STOPS: Final = "SELECT s.position::text FROM public.stops_in_force AS s ORDER BY s.position"
# A shell would take other characters for its own.
_PLAIN: Final = re.compile(r"[\w][\w.@+-]*", re.ASCII)
_SECONDS: Final = 2


def accounts(incomplete: str) -> list[str]:
    """Names of accounts."""
    return _fitting(_read(_ACCOUNTS), incomplete)


def exchanges(incomplete: str) -> list[str]:
    """Names of exchanges: those of the database that fit, or else built-in ones."""
    if found := _fitting(_read(_EXCHANGES), incomplete):
        return found
    from registry.catalog.catalog import built_in_exchanges

    return _fitting(sorted(built_in_exchanges()), incomplete)


def subaccounts(incomplete: str) -> list[str]:
    """Subaccounts of which there is a credential."""
    return _fitting(_read(_SUBACCOUNTS), incomplete)


def event_types(incomplete: str) -> list[str]:
    """Types of events."""
    from registry.events.codec import EVENT_TYPES

    return _fitting(EVENT_TYPES, incomplete)


def stops(incomplete: str) -> list[str]:
    """The events of stops in force."""
    return _fitting(_read(_STOPS), incomplete)


def accounts_and_exchanges(incomplete: str) -> list[str]:
    """Both, for an option that takes one of each."""
    return [*accounts(incomplete), *exchanges(incomplete)]


def columns_to_sort_by(ctx: Any, incomplete: str) -> list[str]:
    """The columns of the list that the command line is about."""
    from registry.commands._lists import LISTS

    shape = LISTS.get(ctx.command.name)
    return _fitting({} if shape is None else {**shape.base, **shape.wide}, incomplete)


COMPLETIONS: Final[dict[str, Callable[..., list[str]]]] = {
    "ACCOUNT": accounts,
    "BORROWER": accounts,
    "LENDER": accounts,
    "EXCHANGE": exchanges,
    "EVENT": event_types,
    "STOP": stops,
    "ACCOUNT|LOGIN": accounts,
    "ACCOUNT EXCHANGE": accounts_and_exchanges,
    "POSITION | ACCOUNT EXCHANGE": accounts_and_exchanges,
    "COLUMN": columns_to_sort_by,
    "--subaccount": subaccounts,
}
"""Metavariable, or option -> what completes it, in each verb."""


def _fitting(names: Any, incomplete: str) -> list[str]:
    return [name for name in names if _PLAIN.fullmatch(name) and name.startswith(incomplete)]


def _read(statement: str) -> list[str]:
    with contextlib.suppress(Exception), _connection() as connection:
        return [name for (name,) in connection.execute(statement)]
    return []


@contextlib.contextmanager
def _connection() -> Iterator[Any]:
    import psycopg

    from registry.database.embedded import EmbeddedServer
    from registry.database.target import Target

    target = Target.from_environment()
    address = EmbeddedServer().running_address() if target.url is None else target.url
    if address is None:
        raise psycopg.OperationalError
    with psycopg.connect(address, connect_timeout=_SECONDS) as connection:
        connection.execute(f"SET statement_timeout = '{_SECONDS}s'")
        yield connection
