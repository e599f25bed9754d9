"""Merges repairs into the tables: only rows that differ are touched.

The rows as they should be stand in temporary tables of the same names (the shadow). All
statements run in the caller's transaction, which holds the append lock and has appended.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import psycopg

from projections.projector import TABLES
from projections.rows import Row, Table

SHADOW: Final = "pg_temp"

_OWN: Final = tuple(table for table in TABLES if not table.partial)


def make_shadow(connection: psycopg.Connection[Any]) -> None:
    """Makes the empty shadow; it is gone when the transaction ends."""
    for table in _OWN:
        columns = ", ".join(f"{column} {kind}" for column, kind in table.columns.items())
        _run(connection, f"CREATE TEMPORARY TABLE {table.name} ({columns}) ON COMMIT DROP")
    _run(
        connection,
        "CREATE TEMPORARY TABLE extra_rows (table_name text, id uuid) ON COMMIT DROP",
    )


def fill_shadow(
    connection: psycopg.Connection[Any],
    changed: Mapping[str, Iterable[bytes]],
    extra: Iterable[tuple[str, str]],
) -> None:
    """Fills the shadow: by table, blocks of COPY text; and the rows that should not be."""
    for table in _OWN:
        fill_table(connection, table, changed.get(table.name, ()))
    with connection.cursor().copy(f"COPY {SHADOW}.extra_rows FROM STDIN".encode()) as copy:
        for row in extra:
            copy.write_row(row)


def fill_table(connection: psycopg.Connection[Any], table: Table, blocks: Iterable[bytes]) -> None:
    """Fills one table of the shadow from blocks of COPY text."""
    copy_in(connection, table, blocks, schema=SHADOW)
    _run(connection, f"ALTER TABLE {SHADOW}.{table.name} ADD PRIMARY KEY ({table.key})")
    # How many rows there are is all that the statements' plans need.
    _run(connection, f"ANALYZE {SHADOW}.{table.name} ({table.key})")


def copy_in(
    connection: psycopg.Connection[Any],
    table: Table,
    blocks: Iterable[bytes],
    *,
    schema: str = "public",
) -> None:
    """Copies rows into a table, from blocks of COPY text."""
    columns = ", ".join(table.columns)
    statement = f"COPY {schema}.{table.name} ({columns}) FROM STDIN"
    with connection.cursor().copy(statement.encode()) as copy:
        for block in blocks:
            copy.write(block)


def update_in_place(connection: psycopg.Connection[Any], table: Table) -> None:
    """Gives the rows that differ from the shadow the values that they have there.

    Unlike `merge` it never deletes a row to insert it again: other tables may hang on it,
    and it may have columns of its owner's. So values must not be swapped between rows.
    """
    differs = " OR ".join(
        f"l.{column}::text IS DISTINCT FROM s.{column}::text"
        if kind == "jsonb"  # 1.0 and 1 are equal as JSON
        else f"l.{column} IS DISTINCT FROM s.{column}"
        for column, kind in table.columns.items()
        if column != table.key
    )
    _run(connection, f"{_update_changed(table)} AND ({differs})")


def merge(
    connection: psycopg.Connection[Any],
    missing: Mapping[str, Iterable[bytes]],
    partial: Mapping[Table, Mapping[str, Row]],
) -> None:
    """Makes the tables' rows those of the shadow, and adds those that are missing.

    `missing` has, by table, blocks of COPY text: rows of which nothing is there and that no
    event since the comparison has changed. In the shadow they would only
    be written twice.

    `partial` has, for tables of another program, key -> columns to set; a row that is gone
    there is left alone. A row is never taken away and brought back while others may
    refer to it, except where a value that must be unique moves from one row to another.
    """
    # A table that was empty a moment ago looks to the planner as if it stayed so: it would
    # scan it once for each row that the same statement inserts.
    _run(connection, "SET LOCAL enable_nestloop = off")
    _run(connection, "SET LOCAL jit = off")
    root, *others = _OWN
    for table in reversed(others):
        _run(connection, _DELETE_EXTRA.format(table=table.name, key=table.key))
        if table.unique:
            _run(connection, _delete_moved(table))
    for statement in _park(root):
        _run(connection, statement)
    for table in _OWN:
        _run(connection, _update_changed(table))
        _run(connection, _insert_absent(table))
        copy_in(connection, table, missing.get(table.name, ()))
    for table, rows in partial.items():
        _patch_partial(connection, table, rows)
    _run(connection, _DELETE_EXTRA.format(table=root.name, key=root.key))


_DELETE_EXTRA: Final = (
    "DELETE FROM public.{table} AS l USING pg_temp.extra_rows AS x"
    " WHERE x.table_name = '{table}' AND l.{key} = x.id"
)


def _delete_moved(table: Table) -> str:
    # What it holds uniquely may belong to another row by now; it is inserted again below.
    return (
        f"DELETE FROM public.{table.name} AS l USING {SHADOW}.{table.name} AS s"
        f" WHERE l.{table.key} = s.{table.key} AND {_unique_differs(table)}"
    )


def _park(root: Table) -> tuple[str, str]:
    # Others refer to an account, so it keeps its row, and gives its name away for a moment.
    update = f"UPDATE public.{root.name} AS l SET {root.unique[0]} = l.{root.key}::text"
    moved = f"s.{root.key} = l.{root.key} AND {_unique_differs(root)}"
    extra = f"x.table_name = '{root.name}' AND x.id = l.{root.key}"
    return (
        f"{update} FROM {SHADOW}.{root.name} AS s WHERE {moved}",
        f"{update} FROM {SHADOW}.extra_rows AS x WHERE {extra}",
    )


def _unique_differs(table: Table) -> str:
    live = ", ".join(f"l.{column}" for column in table.unique)
    logged = ", ".join(f"s.{column}" for column in table.unique)
    return f"ROW({live}) IS DISTINCT FROM ROW({logged})"


def _insert_absent(table: Table) -> str:
    # Rows that were taken away above, or that came into the shadow with the tail.
    columns = ", ".join(table.columns)
    return (
        f"INSERT INTO public.{table.name} ({columns})"
        f" SELECT {columns} FROM {SHADOW}.{table.name} AS s"
        f" WHERE NOT EXISTS (SELECT FROM public.{table.name} AS l"
        f" WHERE l.{table.key} = s.{table.key})"
    )


def _update_changed(table: Table) -> str:
    # All of them and not those that compare as different: 1.0 and 1 are equal as JSON.
    columns = [column for column in table.columns if column != table.key]
    values = ", ".join(f"{column} = s.{column}" for column in columns)
    return (
        f"UPDATE public.{table.name} AS l SET {values} FROM {SHADOW}.{table.name} AS s"
        f" WHERE l.{table.key} = s.{table.key}"
    )


def _patch_partial(
    connection: psycopg.Connection[Any], table: Table, rows: Mapping[str, Row]
) -> None:
    columns = [column for column in table.columns if column != table.key]
    values = ", ".join(f"{column} = w.{column}" for column in columns)
    given = ", ".join(f"%s::{kind}[]" for kind in table.columns.values())
    statement = (
        f"UPDATE public.{table.name} AS l SET {values}"
        f" FROM unnest({given}) AS w ({', '.join(table.columns)})"
        f" WHERE l.{table.key} = w.{table.key}"
    )
    by_column = [[row[column] for row in rows.values()] for column in columns]
    keys_first = [list(rows), *by_column]
    connection.execute(statement.encode(), keys_first)


def _run(connection: psycopg.Connection[Any], statement: str) -> None:
    connection.execute(statement.encode())
