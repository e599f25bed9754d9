"""A dump that is restored on another server is the same registry, guards included."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.whole_log import check_whole_log

from registry import Registry
from registry.database.opening import SingleConnection, open_registry
from registry.database.programs import programs_for
from registry.database.target import Target

pytestmark = pytest.mark.slow

_TABLES = ("accounts", "account_exchange_credentials", "credential_data_keys", "audit_events")


@pytest.fixture
def restored(cli: CommandLine, database_url: str, empty_database: str, tmp_path: Path) -> str:
    """The address of a database that a dump was restored into."""
    for name in ("bot", "other"):
        assert cli("create-account", name, "--metadata", '{"max_positions": 3}').exit_status == 0
    fields = cli.file("aster.json", '{"api_key": "key-one", "secret_key": "secret-one"}')
    assert cli("add-credential", "bot", "aster", "--from-json", fields).exit_status == 0
    assert cli("rename-account", "other", "renamed").exit_status == 0
    dump = tmp_path / "registry.dump"
    with psycopg.connect(database_url) as connection:
        programs = programs_for(connection.info.server_version // 10_000)
    programs.run("pg_dump", "--format=custom", f"--file={dump}", address=database_url)
    programs.run("pg_restore", "--exit-on-error", str(dump), address=empty_database)
    return empty_database


def test_it_holds_the_same_rows_and_verifies(
    restored: str, connection: psycopg.Connection[Any]
) -> None:
    with open_registry(Target(restored)) as copy:
        assert check_whole_log(copy) == check_whole_log(connection) == 4
        for table in _TABLES:
            query = f"SELECT t::text FROM {table} AS t ORDER BY 1"
            assert copy.execute(query).fetchall() == connection.execute(query).fetchall()


def test_it_refuses_direct_writes_and_changes_of_the_log(restored: str) -> None:
    with open_registry(Target(restored)) as copy:
        for statement in (
            "UPDATE accounts SET description = 'x'",
            "DELETE FROM account_exchange_credentials",
            "TRUNCATE accounts CASCADE",
            "UPDATE audit_events SET actor = 'x'",
            "DELETE FROM audit_events",
            "TRUNCATE audit_events",
            "DELETE FROM audit_head",
        ):
            with pytest.raises(psycopg.DatabaseError) as refusal:
                copy.execute(statement)
            assert refusal.value.sqlstate in ("RG004", "RG005"), statement
        # Nor in a transaction that happens to have the id of the one that appended last at
        # the origin: the head's time is older than it.
        copy.execute("BEGIN")
        copy.execute("UPDATE audit_head SET appended_by = pg_current_xact_id()")
        with pytest.raises(psycopg.DatabaseError, match="projection"):
            copy.execute("UPDATE accounts SET description = 'x'")
        copy.execute("ROLLBACK")


def test_it_goes_on_where_the_original_was(restored: str) -> None:
    database = SingleConnection(Target(restored))
    service = Registry(database).accounts
    assert service.create("new").positions == (4,)
    assert service.update("bot", description="after").positions == (5,)
    with database.connection() as copy:
        assert check_whole_log(copy) == 6
    database.close()
