"""The declarations of columns in the row types match PostgreSQL's catalogs."""

import uuid
from typing import Any, Final

import psycopg
import pytest
from psycopg.types.json import Jsonb

from projections import TABLES, Table
from projections.rows import Row

Connection = psycopg.Connection[Any]

TYPES: Final = {"varchar": "character varying", "timestamp": "timestamp without time zone"}
ID: Final = str(uuid.UUID(int=99))
MOMENT: Final = "2030-01-01 12:00:00"
WHOLE: Final = [table for table in TABLES if not table.partial]
EACH: Final = pytest.mark.parametrize("table", WHOLE, ids=lambda table: table.name)

STRICTER: Final = [("exchange_id", -1)]
"""Values that a column could hold, but that no row can have: another table refuses them."""


def type_name(declared: str) -> str:
    kind, bracket, length = declared.partition("(")
    return TYPES.get(kind, kind) + bracket + length


@EACH
def test_the_table_has_the_declared_columns_of_the_declared_types(
    connection: Connection, table: Table
) -> None:
    found = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        [f"public.{table.name}"],
    ).fetchall()
    declared = [(n, type_name(c.type), c.nullable) for n, c in table.declared.items()]
    assert sorted(found) == sorted(declared)


SAMPLES: Final[dict[str, list[Any]]] = {
    "uuid": [ID],
    "text": ["x", "", " x", "x" * 10_000],
    "varchar": ["full", "read_only", "positions_only", "x", "", " x", "x ", "a\tb", "x" * 256],
    "boolean": [True, False],
    "integer": [0, 1, -1, 2**31 - 1],
    "timestamp": [MOMENT],
    "jsonb": [{}, {"a": 1}, [], ["x"]],
}


@EACH
def test_a_column_takes_what_its_declaration_takes_and_refuses_what_that_refuses(
    connection: Connection, table: Table
) -> None:
    connection.execute(f"CREATE TEMP TABLE copy (LIKE public.{table.name} INCLUDING CONSTRAINTS)")
    fitting = {
        name: str(uuid.UUID(int=number))  # no two columns of a row name the same thing
        if column.kind == "uuid"
        else next(v for v in [*SAMPLES[column.kind], None] if not column.misfit(name, v))
        for number, (name, column) in enumerate(table.declared.items())
    }
    assert taken(connection, fitting)
    for name, column in table.declared.items():
        for value in [*SAMPLES[column.kind], None]:
            row = {**fitting, name: value}
            fits = not table.misfit(row) or (name, value) in STRICTER
            assert taken(connection, row) == fits, (name, value)


def taken(connection: Connection, row: Row) -> bool:
    """Whether the copy of the table takes a row."""
    values = [Jsonb(v) if isinstance(v, dict | list) else v for v in row.values()]
    places = ", ".join(["%s"] * len(values))
    try:
        with connection.transaction():
            connection.execute(f"INSERT INTO copy ({', '.join(row)}) VALUES ({places})", values)
    except (psycopg.IntegrityError, psycopg.DataError):
        return False
    return True
