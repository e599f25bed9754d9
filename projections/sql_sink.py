"""Applies row changes to the tables, in the transaction of the append."""

import functools
from typing import Any

import orjson
import psycopg

from projections.rows import Delete, Insert, Patch, PatchAll, Put, RowChange, Table


def apply_to_tables(
    connection: psycopg.Connection[Any], change: RowChange, *, schema: str = "public"
) -> psycopg.Cursor[Any]:
    """Sends one change. In pipeline mode the result arrives when the pipeline ends.

    A rebuild applies changes to tables of the same names in another schema.
    """
    match change:
        case Insert(table, _, values):
            return connection.execute(_insert(schema, table, tuple(values)), _adapted(values))
        case Put(table, _, values):
            return connection.execute(_put(schema, table, tuple(values)), _adapted(values))
        case PatchAll(table, keys, values):
            parameters = [*_adapted(values), list(keys)]
            return connection.execute(_update_all(schema, table, tuple(values)), parameters)
        case Patch(table, key, values):
            return connection.execute(
                _update(schema, table, tuple(values)), [*_adapted(values), key]
            )
        case Delete(table, key):
            return connection.execute(_delete(schema, table), [key])


@functools.cache
def _insert(schema: str, table: Table, columns: tuple[str, ...]) -> bytes:
    values = ", ".join(f"%s::{table.columns[column]}" for column in columns)
    return f"INSERT INTO {schema}.{table.name} ({', '.join(columns)}) VALUES ({values})".encode()


@functools.cache
def _put(schema: str, table: Table, columns: tuple[str, ...]) -> bytes:
    values = ", ".join(f"{c} = excluded.{c}" for c in columns if c != table.key)
    return (
        _insert(schema, table, columns)
        + f" ON CONFLICT ({table.key}) DO UPDATE SET {values}".encode()
    )


@functools.cache
def _update(schema: str, table: Table, columns: tuple[str, ...]) -> bytes:
    values = ", ".join(f"{column} = %s::{table.columns[column]}" for column in columns)
    return f"UPDATE {schema}.{table.name} SET {values} WHERE {table.key} = %s::uuid".encode()


@functools.cache
def _update_all(schema: str, table: Table, columns: tuple[str, ...]) -> bytes:
    values = ", ".join(f"{column} = %s::{table.columns[column]}" for column in columns)
    return f"UPDATE {schema}.{table.name} SET {values} WHERE {table.key} = ANY(%s::uuid[])".encode()


@functools.cache
def _delete(schema: str, table: Table) -> bytes:
    return f"DELETE FROM {schema}.{table.name} WHERE {table.key} = %s::uuid".encode()


def _adapted(values: dict[str, Any]) -> list[Any]:
    return [
        orjson.dumps(value).decode() if isinstance(value, dict | list) else value
        for value in values.values()
    ]
