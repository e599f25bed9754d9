"""The exchanges of the database, and what their credentials consist of."""

from collections.abc import Iterable, Sequence
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
    """An exchange, with its specification (None: not known yet)."""

    id: int | None
    """Its id in `dexes`; None if it was never used."""
    name: str
    credentials: int
    spec: ExchangeSpec | None


def list_exchanges(
    database: Database, search: str | None = None, *, every: bool = False
) -> list[KnownExchange]:
    """The exchanges of the database, then with `every` or a search the catalog's others.

    `search` is a part of a name.
    """
    with database.connection() as connection, registry_errors(connection):
        rows = connection.execute(_QUERIES["exchanges"]).fetchall()
    found = [
        KnownExchange(id_, name, credentials, known(name, own))
        for id_, name, own, credentials in rows
    ]
    if every or search is not None:
        listed = {exchange.name for exchange in found}
        others = built_in_exchanges().items()
        found += [KnownExchange(None, n, 0, spec) for n, spec in others if n not in listed]
    wanted = (search or "").casefold()
    return [
        exchange
        for exchange in found
        if wanted in exchange.name.casefold()
        or (exchange.spec and wanted in exchange.spec.display_name.casefold())
    ]


def known_specifications(database: Database) -> list[ExchangeSpec]:
    """The specifications of the exchanges whose fields are known, whether used or not."""
    found = list_exchanges(database, every=True)
    return [exchange.spec for exchange in found if exchange.spec is not None]


def wanted_specifications(database: Database, names: Sequence[str]) -> list[ExchangeSpec]:
    """The specifications of these exchanges, or of all whose fields are known if none is named.

    Raises:
        ExchangeNotFound: as `exchange_specifications`.
    """
    if names:
        return list(exchange_specifications(database, names).values())
    return known_specifications(database)


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
