"""Whole tables: their content, and the content that a replay of the log gives."""

import contextlib
import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any, Final

import psycopg

from projections import Table, accounts, credentials, project, sharing, versions
from projections.memory_sink import Rows, apply_to_memory
from registry.events.stored import StoredEvent

PROJECTIONS: Final = (accounts.TABLE, credentials.TABLE, sharing.TABLE, versions.TABLE)

_EVERYTHING: Final = (
    "audit_events",
    "audit_head",
    "credential_data_keys",
    "registry_keys",
    "registry_migrations",
    "dexes",
    "symbols",
    "strategy_positions",
    *(table.name for table in PROJECTIONS),
)

Snapshot = dict[str, list[str] | None]
"""Table -> its rows as text; None if the table does not exist."""


def snapshot(address: str) -> Snapshot:
    """The complete content of a registry's database."""
    with psycopg.connect(address, autocommit=True) as connection:
        is_there = ", ".join(f"to_regclass('public.{table}') IS NOT NULL" for table in _EVERYTHING)
        found = connection.execute(f"SELECT {is_there}").fetchone() or ()
        tables = [table for table, there in zip(_EVERYTHING, found, strict=True) if there]
        each = " UNION ALL ".join(f"SELECT '{t}', t::text FROM public.{t} AS t" for t in tables)
        rows: dict[str, list[str]] = {table: [] for table in tables}
        for table, row in connection.execute(f"{each} ORDER BY 1, 2") if tables else ():
            rows[table].append(row)
    return {table: rows.get(table) for table in _EVERYTHING}


@contextlib.contextmanager
def nothing_written(address: str) -> Iterator[None]:
    """Asserts that the block leaves every table unchanged."""
    before = snapshot(address)
    yield
    assert snapshot(address) == before


def live_rows(connection: psycopg.Connection[Any]) -> Rows:
    """The current rows of the projected tables, with the memory sink's keys."""
    return {table.name: _live(connection, table) for table in PROJECTIONS}


def _live(connection: psycopg.Connection[Any], table: Table) -> dict[str, dict[str, Any]]:
    columns = list(table.columns)
    rows = connection.execute(f"SELECT {', '.join(columns)} FROM public.{table.name}").fetchall()
    plain = [dict(zip(columns, row, strict=True)) for row in rows]
    return {str(row[table.key]): {c: _plain(v) for c, v in row.items()} for row in plain}


def replayed_rows(connection: psycopg.Connection[Any]) -> Rows:
    """The rows that a replay of the whole log gives, by the memory sink."""
    rows: Rows = {}
    for event in stored_events(connection):
        for change in project(event):
            apply_to_memory(rows, change)
    return {table.name: _typed(table, rows.get(table.name, {})) for table in PROJECTIONS}


def stored_events(connection: psycopg.Connection[Any]) -> list[StoredEvent]:
    """The whole log, in order."""
    found = connection.execute(
        "SELECT stream_id::text, stream_version, event_type, schema_version, "
        "(occurred_at AT TIME ZONE 'UTC')::text, data FROM audit_events ORDER BY position"
    )
    return [StoredEvent(*row) for row in found]


def _typed(table: Table, rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        key: {column: _value(row.get(column), kind) for column, kind in table.columns.items()}
        for key, row in rows.items()
    }


def _value(value: Any, kind: str) -> Any:
    return dt.datetime.fromisoformat(value) if kind == "timestamp" and value else value


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, uuid.UUID) else value
