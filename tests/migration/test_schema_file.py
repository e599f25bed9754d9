"""migrations/schema.sql equals the result of migrating an empty database."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.schema_dump import HEADER, dump_schema, list_objects

from registry.database.migrator import Migrator
from registry.database.objects import FILE, differences
from registry.database.scratch import fresh_server

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


@pytest.fixture
def generating_server(database_url: str) -> Iterator[str]:
    """A migrated database of the version that generates the file; others print otherwise."""
    with psycopg.connect(database_url) as connection:
        newest = connection.info.server_version >= GENERATED_BY
    if newest:
        yield database_url
    else:
        with fresh_server() as address:
            with psycopg.connect(address, autocommit=True) as connection:
                Migrator(connection).up()
            yield address


def test_the_list_of_objects_is_what_its_script_writes(generating_server: str) -> None:
    with psycopg.connect(generating_server, autocommit=True) as connection:
        listed = (SCHEMA.parent / FILE).read_text(encoding="utf-8")
        assert list_objects(connection) == listed, "run scripts/generate-schema"


def test_a_restored_database_has_the_same_objects(database_url: str, empty_database: str) -> None:
    """On every version of PostgreSQL, which may print a definition in another way."""
    loaded(empty_database, dump_schema(database_url))
    for address in (database_url, empty_database):
        with psycopg.connect(address, autocommit=True) as connection:
            found = [d for d in differences(connection) if "registry_migrations" not in str(d)]
            assert [str(d) for d in found if "schema public" not in d.key.name] == []


def test_the_file_is_what_its_script_writes(generating_server: str) -> None:
    assert dump_schema(generating_server) == text(), "run scripts/generate-schema"
