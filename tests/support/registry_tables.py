"""The complete contents of the projected tables, and functions that damage them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

TABLES = ("accounts", "account_exchange_credentials", "account_exchange_sharing")


def contents(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Every row of every projected table as text, and the owner of every position."""
    read = {table: f"SELECT t::text FROM public.{table} AS t ORDER BY t.id" for table in TABLES} | {
        "strategy_positions": "SELECT p.id || ' ' || coalesce(p.account_id::text, '')"
        " FROM public.strategy_positions AS p ORDER BY p.id"
    }
    return {
        table: [row[0] for row in connection.execute(statement.encode())]
        for table, statement in read.items()
    }


@contextmanager
def unguarded(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Lets a superuser write to the tables without their guards."""
    connection.execute("SET session_replication_role = replica")
    try:
        yield
    finally:
        connection.execute("SET session_replication_role = origin")


def add_positions(connection: psycopg.Connection[Any], *ids: str, status: str = "open") -> None:
    """Adds positions of the bot without an owner."""
    connection.execute("INSERT INTO public.symbols (symbol) VALUES ('BTC') ON CONFLICT DO NOTHING")
    for id_ in ids:
        connection.execute(
            "INSERT INTO public.strategy_positions (id, strategy_name, symbol_id, long_dex_id,"
            " short_dex_id, size_usd, entry_long_rate, entry_short_rate, entry_divergence,"
            " opened_at, status) SELECT %s, 'funding', s.id, 1, 2, 100, 0.1, 0.2, 0.1,"
            " '2026-01-01', %s FROM public.symbols AS s WHERE s.symbol = 'BTC'",
            [id_, status],
        )
