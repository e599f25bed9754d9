"""The exchanges of the database, and what their credentials consist of."""

from collections.abc import Iterable
from dataclasses import dataclass

from registry.catalog.catalog import built_in_exchanges, known, specification
from registry.catalog.specification import ExchangeSpec
from registry.database.connection import Database, registry_errors
from registry.database.queries import load_queries, one_row
from registry.errors import ExchangeNotFound, RegistryError, together
from registry.execution.lookup import check_names, send_exchange

_QUERIES = load_queries("registry.execution")


@dataclass(frozen=True, slots=True)
class KnownExchange:
    """A row of `dexes`, with its specification (None: not known yet)."""

    id: int
    name: str
    credentials: int
    spec: ExchangeSpec | None


def list_exchanges(database: Database) -> list[KnownExchange]:
    """All exchanges of the database."""
    with database.connection() as connection, registry_errors(connection):
        rows = connection.execute(_QUERIES["exchanges"]).fetchall()
    return [
        KnownExchange(id_, name, credentials, known(name, own))
        for id_, name, own, credentials in rows
    ]


def known_specifications(database: Database) -> list[ExchangeSpec]:
    """The specifications of the exchanges whose fields are known, whether used or not."""
    used = {exchange.name: exchange.spec for exchange in list_exchanges(database)}
    others = (spec for name, spec in built_in_exchanges().items() if name not in used)
    return [spec for spec in (*used.values(), *others) if spec is not None]


def exchange_specification(
    database: Database, name: str, account: str | None = None
) -> ExchangeSpec:
    """The specification of one exchange; checks the account too, if one is given.

    Raises:
        AccountNotFound: no account has this name.
        ExchangeNotFound: it does not exist, or its fields are not known.
    """
    with database.connection() as connection, registry_errors(connection):
        check_names(connection, account, name)
        _, definition, _ = one_row(send_exchange(connection, name))
    return specification(name, definition)


def exchange_specifications(database: Database, names: Iterable[str]) -> dict[str, ExchangeSpec]:
    """The specifications of several exchanges, by name.

    Raises:
        ExchangeNotFound: as `exchange_specification`, for every unknown exchange.
    """
    specs: dict[str, ExchangeSpec] = {}
    problems: list[RegistryError] = []
    for name in dict.fromkeys(names):
        try:
            specs[name] = exchange_specification(database, name)
        except ExchangeNotFound as problem:
            problems.append(problem)
    if problems:
        raise together(problems)
    return specs
