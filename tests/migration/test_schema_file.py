"""migrations/schema.sql is exactly what migrating an empty database gives."""

from pathlib import Path

import psycopg
import pytest
from support.schema_dump import HEADER, dump_schema

SCHEMA = Path(__file__).resolve().parents[2] / "migrations" / "schema.sql"
GENERATED_BY = 180_000
"""The server of the embedded package."""


def text() -> str:
    return SCHEMA.read_text(encoding="utf-8").removeprefix(HEADER).lstrip()


def loaded(address: str, schema: str) -> str:
    """The schema of an empty database after this one was loaded into it."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SET check_function_bodies = off")
        connection.execute(schema.encode())
    return dump_schema(address)


def test_the_file_is_the_schema_of_a_migrated_database(
    database_url: str, empty_database: str, another_empty_database: str
) -> None:
    """Both are loaded first: a server prints some expressions in another way after that."""
    migrated = dump_schema(database_url)
    assert loaded(empty_database, text()) == loaded(another_empty_database, migrated)


def test_the_file_is_what_its_script_writes(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        if connection.info.server_version < GENERATED_BY:
            pytest.skip("an older server prints some expressions in another way")
    assert dump_schema(database_url) == text(), "run scripts/generate-schema"
