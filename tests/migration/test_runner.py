"""The migration runner: up, down, repeated and concurrent runs, and refused files."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.credentials import ENV_FILE
from support.schema_dump import dump_schema
from support.tables import snapshot

from registry.database import migration_files
from registry.database.connection import check_schema
from registry.database.migration_files import LAST_KEPT, Migration, load_migrations
from registry.database.migrator import Migrator
from registry.errors import InvalidInput, MigrationChanged, NotMigrated, SchemaTooNew

Connection = psycopg.Connection[Any]

KEPT = ("audit_events", "audit_head", "credential_data_keys", "registry_keys", "dexes")
PROJECTED = ("accounts", "account_exchange_credentials", "account_exchange_sharing")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that the program takes for that of its migrations."""
    monkeypatch.setattr(migration_files, "folder", lambda: tmp_path)
    load_migrations.cache_clear()
    migration_files.known_numbers.cache_clear()
    yield tmp_path
    load_migrations.cache_clear()
    migration_files.known_numbers.cache_clear()


def made_up(number: int, up: str = "SELECT 1", down: str = "SELECT 1") -> Migration:
    return Migration(number, "made_up", up, down)


def test_going_up_twice_is_safe(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        first = Migrator(connection).up()
        before = snapshot(empty_database)
        assert [m.number for m in first] == list(migration_files.known_numbers())
        assert Migrator(connection).up() == []
    assert snapshot(empty_database) == before


def test_every_file_can_be_run_again_on_a_schema_that_has_it(connection: Connection) -> None:
    """The document's promise: it is safe to re-run."""
    for migration in load_migrations():
        connection.execute(migration.up_sql.encode())


def test_only_up_files_are_ever_taken_going_up(folder: Path) -> None:
    """Pain 13: a rollback file must not be taken for the next migration."""
    for name in (
        "001_first.sql",
        "001_first.down.sql",
        "002_second.sql",
        "002_second.down.sql",
        "002_second_rollback.sql.txt",
        "003_third.down.sql",
        "006_add_multi_account_support.rollback.sql",
        "notes.sql",
        "4_four.sql",
        "schema.sql",
        "README.md",
    ):
        (folder / name).write_text(f"-- {name}")
    assert [m.file_name for m in load_migrations()] == ["001_first.sql", "002_second.sql"]
    assert [m.down_sql for m in load_migrations()] == [
        "-- 001_first.down.sql",
        "-- 002_second.down.sql",
    ]


@pytest.mark.parametrize("number", ["006", "007"])
def test_a_rollback_file_is_no_migration_whatever_its_number(folder: Path, number: str) -> None:
    """Pain 13: `006_…_rollback.sql` must not be run going up."""
    names = ("006_accounts.sql", "006_accounts.down.sql")
    for name in (*names, f"{number}_accounts_rollback.sql", f"{number}_accounts_down.sql"):
        (folder / name).write_text("DROP TABLE everything")
    assert [m.file_name for m in load_migrations()] == ["006_accounts.sql"]


def test_two_migrations_of_one_number_are_an_error(folder: Path) -> None:
    for name in ("001_first", "001_other"):
        (folder / f"{name}.sql").write_text("SELECT 1")
        (folder / f"{name}.down.sql").write_text("SELECT 1")
    with pytest.raises(ValueError, match="two migrations have the same number"):
        load_migrations()


def test_a_migration_without_a_way_back_is_an_error(folder: Path) -> None:
    (folder / "001_first.sql").write_text("SELECT 1")
    with pytest.raises(FileNotFoundError):
        load_migrations()


def test_an_applied_file_that_was_changed_is_an_error(connection: Connection) -> None:
    changed = tuple(
        replace(m, up_sql=m.up_sql + "\n-- changed") if m.number == 4 else m
        for m in load_migrations()
    )
    for step in (
        Migrator(connection, changed).up,
        Migrator(connection, changed).down,
        Migrator(connection, changed).status,
    ):
        with pytest.raises(MigrationChanged, match=r"004_append_event\.sql was changed") as refused:
            step()
        assert "a new migration" in (refused.value.hint or "")


def test_a_migration_that_fails_leaves_nothing_and_the_next_run_goes_on(
    connection: Connection,
) -> None:
    bad = made_up(900, "CREATE TABLE half (); SELECT 1/0")
    with pytest.raises(InvalidInput, match="division by zero"):
        Migrator(connection, (*load_migrations(), made_up(899), bad)).up()
    assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)
    good = made_up(900, "CREATE TABLE whole ()")
    assert Migrator(connection, (*load_migrations(), made_up(899), good)).up() == [good]


def test_a_newer_schema_is_refused(connection: Connection, cli: CommandLine) -> None:
    Migrator(connection, (*load_migrations(), made_up(999))).up()
    with pytest.raises(SchemaTooNew, match="is at migration 999"):
        check_schema(connection)
    for verb in (
        ("list-accounts",),
        ("create-account", "x"),
        ("migrate", "up"),
        ("migrate", "down", "--yes"),
        ("migrate", "status"),
    ):
        refused = cli(*verb, "--json")
        assert (refused.exit_status, refused.error["code"]) == (7, "schema_too_new"), verb
        assert refused.error["hint"] == "Update account-registry on this machine."


def test_two_runners_at_once_apply_each_migration_once(empty_database: str) -> None:
    applied: list[list[int]] = []

    def run() -> None:
        with psycopg.connect(empty_database, autocommit=True) as connection:
            applied.append([m.number for m in Migrator(connection).up()])

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(number for numbers in applied for number in numbers) == list(
        migration_files.known_numbers()
    )
    assert sorted(map(len, applied))[:3] == [0, 0, 0]


def test_going_down_keeps_the_log_and_the_keys_and_going_up_works_again(
    cli: CommandLine, connection: Connection, database_url: str
) -> None:
    """Pain 14: rolling back and re-applying must not lose the log or the keys."""
    cli("import-env", "bot", "--env-file", cli.file("bot.env", ENV_FILE), "--create")
    schema, before = dump_schema(database_url), snapshot(database_url)
    down = cli("migrate", "down", "--yes", "--json")
    assert down.exit_status == 0
    assert down.data["migrations"][-1] == "006_add_multi_account_support.sql"
    after = snapshot(database_url)
    _assert_kept(before, after)
    assert [after[table] for table in PROJECTED] == [None, None, None]
    assert connection.execute(
        "SELECT count(*) FROM information_schema.columns WHERE column_name = 'account_id' "
        "AND table_name = 'strategy_positions'"
    ).fetchone() == (0,)
    refused = cli("list-accounts", "--json")
    assert (refused.exit_status, refused.error["code"]) == (7, "not_migrated")
    assert cli("migrate", "down", "--yes").out == "The tables are down already.\n"
    assert cli("migrate", "up").exit_status == 0
    assert dump_schema(database_url) == schema
    again = snapshot(database_url)
    _assert_kept(before, again)
    assert [again[table] for table in PROJECTED] == [before[table] for table in PROJECTED]


def _assert_kept(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """The keys are the same, and the log only grew: going down and up are events themselves."""
    for table in KEPT:
        if table == "audit_events":
            assert set(before[table]) < set(after[table])
        elif table != "audit_head":
            assert after[table] == before[table]


def test_going_down_never_destroys_the_log(connection: Connection) -> None:
    for keep in (LAST_KEPT - 1, 0, -1):
        with pytest.raises(InvalidInput, match="would destroy the log and the keys"):
            Migrator(connection).down(keep=keep)


def test_every_migration_has_a_way_back_down_to_nothing(connection: Connection) -> None:
    """The last five are only ever run by a purge; they must work when they are."""
    for migration in reversed(load_migrations()):
        connection.execute(migration.down_sql.encode())
    left = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    ).fetchall()
    assert {row[0] for row in left} == {
        "dexes",
        "symbols",
        "strategy_positions",
        "registry_migrations",
    }


def test_status_says_what_is_applied_and_what_is_not(cli: CommandLine, empty_database: str) -> None:
    numbers = list(migration_files.known_numbers())
    before = cli("migrate", "status", "--json", DATABASE_URL=empty_database).data
    assert [(one["number"], one["applied_at"]) for one in before] == [(n, None) for n in numbers]
    assert cli("migrate", "up", DATABASE_URL=empty_database).exit_status == 0
    after = cli("migrate", "status", "--json", DATABASE_URL=empty_database).data
    assert all(one["applied_at"] for one in after)
    text = cli("migrate", "status", DATABASE_URL=empty_database).out
    assert "006" in text
    assert "add_multi_account_support" in text


def test_a_database_in_the_middle_says_where_it_is(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        Migrator(connection, load_migrations()[:3]).up()
        with pytest.raises(NotMigrated, match=r"is at 003 of \d{3}") as refused:
            check_schema(connection)
    assert refused.value.hint is not None


def test_going_down_asks_first(cli: CommandLine, database_url: str) -> None:
    before = snapshot(database_url)
    refused = cli("migrate", "down", "--json")
    assert (refused.exit_status, refused.error["code"]) == (5, "confirmation_needed")
    assert snapshot(database_url) == before
