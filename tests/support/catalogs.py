"""The description of the projected tables in PostgreSQL's catalogs, to compare two databases."""

from typing import Any

import psycopg

_TABLES = (
    "('accounts', 'account_exchange_credentials', 'account_exchange_sharing', 'strategy_positions')"
)

_QUERIES = {
    "columns": """
        SELECT table_name, column_name, ordinal_position, data_type, character_maximum_length,
            is_nullable, column_default
        FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name IN {tables}""",
    "constraints": """
        SELECT c.relname, k.conname, k.convalidated, pg_get_constraintdef(k.oid)
        FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
        WHERE c.relname IN {tables}""",
    "indexes": "SELECT tablename, indexdef FROM pg_indexes WHERE tablename IN {tables}",
    "triggers": """
        SELECT c.relname, pg_get_triggerdef(t.oid), t.tgenabled
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE NOT t.tgisinternal AND c.relname IN {tables}""",
    "rights": """
        SELECT relname, relowner::regrole::text, relrowsecurity
        FROM pg_class WHERE relname IN {tables}
            AND relname <> 'strategy_positions'""",
}


def tables_in_catalog(connection: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """Columns, constraints, indexes, triggers and owners of the tables."""
    return {
        name: sorted(connection.execute(query.format(tables=_TABLES).encode()).fetchall(), key=str)
        for name, query in _QUERIES.items()
    }
