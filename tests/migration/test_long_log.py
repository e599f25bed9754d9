"""Migrations 026 and 028 on a long log: their indexes may be made before, and answers stay."""

import re
from typing import Any

import psycopg
import pytest
from support.cli import PROJECT, CommandLine

from registry.database.migration_files import load_migrations
from registry.database.migrator import Migrator
from registry.database.objects import differences

Connection = psycopg.Connection[Any]

YEARS, ROTATION = 26, 28
MADE = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'audit_events' ORDER BY 1"
HISTORIES = [
    ("--by", "ann@desk"),
    ("--exchange", "aster"),
    ("--type", "CredentialAdded"),
    ("--type", "CredentialAdded", "--by", "ann@desk", "--limit", "1"),
    ("--exchange", "aster", "--since", "2000-01-01", "--until", "2001-01-01"),
    ("--by", "nobody"),
]


def plain(sql: str) -> str:
    return " ".join(sql.split())


def documented(number: int) -> list[str]:
    """The statements of the page that make the indexes of a migration before."""
    page = (PROJECT / "docs" / "operations.md").read_text()
    section = page.partition(f"### Migration {number:03}")[2]
    block = re.search(r"```sql\n(.*?)```", section, re.DOTALL)
    assert block
    return [plain(one) for one in block[1].split(";") if one.strip()]


@pytest.fixture
def before(connection: Connection) -> Connection:
    """A database whose log has the indexes of the migrations before."""
    for number in (ROTATION, YEARS):
        connection.execute(_migration(number).down_sql.encode())
    return connection


def _migration(number: int = YEARS) -> Any:
    return next(m for m in load_migrations() if m.number == number)


@pytest.mark.parametrize("number", [YEARS, ROTATION])
def test_the_page_makes_the_indexes_of_the_migration(number: int) -> None:
    up = _migration(number).up_sql
    made = re.findall(r"^CREATE INDEX.*?(?=;)", up, re.DOTALL | re.MULTILINE)
    shown = [one.replace(" CONCURRENTLY", "") for one in documented(number) if "CREATE" in one]
    assert shown == [plain(one) for one in made if "public.audit_events" in one]


def test_indexes_that_were_made_before_are_those_of_the_migration(
    connection: Connection, before: Connection
) -> None:
    for number, dropped in ((YEARS, 4), (ROTATION, 1)):
        for statement in documented(number):
            before.execute(statement.encode())
        indexes = dict(before.execute(MADE).fetchall())
        before.execute(_migration(number).up_sql.encode())
        after = dict(before.execute(MADE).fetchall())
        assert after == {name: indexes[name] for name in after}
        assert len(indexes) == len(after) + dropped
    assert differences(connection) == []
    assert [m.number for m in Migrator(connection).up()] == []


def test_a_history_is_the_same_with_the_indexes_of_before(
    cli: CommandLine, connection: Connection
) -> None:
    fields = '{"api_key": "key-of-bot", "secret_key": "secret-of-bot"}'
    for name in ("one", "two"):
        by = ("--actor", "ann@desk")
        cli("create-account", name, *by)
        add = ("add-credential", name, "aster", "--allow-shared-secret", "--from-json", "-")
        cli(*add, *by, stdin=fields)
    after = [cli("history", *arguments, "--json").data for arguments in HISTORIES]
    assert [len(events) for events in after] == [4, 2, 2, 1, 0, 0]
    connection.execute(_migration().down_sql.encode())
    assert [cli("history", *a, "--json").data for a in HISTORIES] == after
