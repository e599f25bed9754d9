"""A rebuild brings every column of every table back, whatever was written into it."""

from typing import Any, Final

import psycopg
import pytest
from psycopg.types.json import Jsonb
from support.bots import LoginRole
from support.registry_tables import add_positions, unguarded
from support.world import World

from projections import TABLES, Table

SAMPLES: Final[dict[str, list[Any]]] = {
    "uuid": ["00000000-0000-0000-0000-000000000099"],
    "text": ["wrong"],
    "varchar": ["wrong", "read_only", "full", "positions_only"],
    "boolean": [False, True],
    "integer": [5, 6],
    "timestamp": ["2001-02-03 04:05:06"],
    "jsonb": [{"wrong": "x"}, ["wrong"]],
}
COLUMNS: Final = [
    pytest.param(table, name, id=f"{table.name}.{name}")
    for table in TABLES
    for name in table.columns
    if name != table.key
]


@pytest.fixture
def filled(world: World, connection: psycopg.Connection[Any], bot: LoginRole) -> World:
    """A row in each table."""
    world.account("main_bot", "aster", max_positions=3)
    world.account("borrower")
    world.share("borrower", "main_bot", "aster")
    world.access.grant("main_bot", bot.name)
    add_positions(connection, "00000000-0000-0000-0000-000000000001")
    world.positions.link("main_bot", unowned=True)
    return world


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_rebuild_brings_a_column_back(
    filled: World, connection: psycopg.Connection[Any], table: Table, column: str
) -> None:
    read = f"SELECT t::text FROM public.{table.name} AS t ORDER BY 1"
    before = connection.execute(read).fetchall()
    first = f"(SELECT min(t.{table.key}::text) FROM public.{table.name} AS t)"
    row = f"public.{table.name} WHERE {table.key}::text = {first}"
    ((value,),) = connection.execute(f"SELECT {column} FROM {row}").fetchall()
    wrong = next(
        v for v in SAMPLES[table.columns[column]] if v != value and not table.misfit({column: v})
    )
    stored = Jsonb(wrong) if isinstance(wrong, dict | list) else wrong
    with unguarded(connection):
        connection.execute(
            f"UPDATE public.{table.name} SET {column} = %s WHERE {table.key}::text = {first}",
            [stored],
        )
    assert connection.execute(read).fetchall() != before
    filled.rebuild()
    assert connection.execute(read).fetchall() == before
