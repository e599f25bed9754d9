"""Merges repairs into the tables: only rows that differ are touched.

Temporary tables of the same names (the shadow) hold the correct rows. All statements run in
the caller's transaction, which holds the append lock and has appended.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from projections.projector import TABLES
from projections.rows import Row, Table
from registry.database.connection import Connection

SHADOW: Final = "pg_temp"

_OWN: Final = tuple(table for table in TABLES if not table.partial)


def make_shadow(connection: Connection) -> None:
    """Creates the empty shadow; the end of the transaction drops it."""
    for table in _OWN:
        columns = ", ".join(f"{column} {kind}" for column, kind in table.columns.items())
        _run(connection, f"CREATE TEMPORARY TABLE {table.name} ({columns}) ON COMMIT DROP")
    _run(connection, "CREATE TEMPORARY TABLE extra_rows (table_name text, id uuid) ON COMMIT DROP")


def fill_shadow(
    connection: Connection, changed: Mapping[str, Iterable[bytes]], extra: Iterable[tuple[str, str]]
) -> None:
    """Fills the shadow with blocks of COPY text by table, and with the keys of extra rows."""
    for table in _OWN:
        fill_table(connection, table, changed.get(table.name, ()))
    with connection.cursor().copy(f"COPY {SHADOW}.extra_rows FROM STDIN".encode()) as copy:
        for row in extra:
            copy.write_row(row)


def fill_table(connection: Connection, table: Table, blocks: Iterable[bytes]) -> None:
    """Fills one table of the shadow from blocks of COPY text."""
    copy_in(connection, table, blocks, schema=SHADOW)
    _run(connection, f"ALTER TABLE {SHADOW}.{table.name} ADD PRIMARY KEY ({table.key})")
    # The plans of the statements need the number of rows only.
    _run(connection, f"ANALYZE {SHADOW}.{table.name} ({table.key})")


def copy_in(
    connection: Connection, table: Table, blocks: Iterable[bytes], *, schema: str = "public"
) -> None:
    """Copies rows into a table, from blocks of COPY text."""
    columns = ", ".join(table.columns)
    statement = f"COPY {schema}.{table.name} ({columns}) FROM STDIN"
    with connection.cursor().copy(statement.encode()) as copy:
        for block in blocks:
            copy.write(block)


def update_in_place(connection: Connection, table: Table) -> None:
    """Updates the rows that differ from the shadow to the values there.

    Unlike `merge`, it never deletes and reinserts a row: other tables may refer to it, and it
    may have columns of the bot. So unique values must not be swapped between rows.
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
    connection: Connection,
    missing: Mapping[str, Iterable[bytes]],
    partial: Mapping[Table, Mapping[str, Row]],
) -> None:
    """Merges the shadow into the tables, and adds missing rows.

    `missing` has, by table, blocks of COPY text: rows that the tables lack and that no event
    since the comparison has changed. The shadow would only write them twice.

    `partial` has, for tables of another program, key -> columns to set; rows that do not
    exist are ignored. No row is deleted and reinserted while other rows may refer to it,
    except where a unique value moves from one row to another.
    """
    # The planner believes that a table that was just empty still is. It would scan the table once
    # for each row that the same statement inserts.
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
    # The unique value may belong to another row now; the row is inserted again below.
    return (
        f"DELETE FROM public.{table.name} AS l USING {SHADOW}.{table.name} AS s"
        f" WHERE l.{table.key} = s.{table.key} AND {_unique_differs(table)}"
    )


def _park(root: Table) -> tuple[str, str]:
    # Other rows refer to an account, so it keeps its row, and gives up its name temporarily.
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
    # Rows that were deleted above, or that events of the tail put into the shadow.
    columns = ", ".join(table.columns)
    return (
        f"INSERT INTO public.{table.name} ({columns})"
        f" SELECT {columns} FROM {SHADOW}.{table.name} AS s"
        f" WHERE NOT EXISTS (SELECT FROM public.{table.name} AS l"
        f" WHERE l.{table.key} = s.{table.key})"
    )


def _update_changed(table: Table) -> str:
    # Updates all rows of the shadow, without a comparison: 1.0 and 1 are equal as JSON.
    columns = [column for column in table.columns if column != table.key]
    values = ", ".join(f"{column} = s.{column}" for column in columns)
    return (
        f"UPDATE public.{table.name} AS l SET {values} FROM {SHADOW}.{table.name} AS s"
        f" WHERE l.{table.key} = s.{table.key}"
    )


def _patch_partial(connection: Connection, table: Table, rows: Mapping[str, Row]) -> None:
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


def _run(connection: Connection, statement: str) -> None:
    connection.execute(statement.encode())
