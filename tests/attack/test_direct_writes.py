"""Threat: Writing around the log.

Every role can change the tables only together with an event.
"""

import contextlib
from typing import Any

import psycopg
import pytest
from support.appending import append
from support.cli import CommandLine
from support.credentials import ENV_FILE
from support.tables import live_rows

from registry.database.connection import registry_errors
from registry.errors import DirectWriteRefused
from registry.log.ids import new_id

Connection = psycopg.Connection[Any]

A_ROW = "gen_random_uuid(), 'direct', now(), now()"
STATEMENTS = [
    (
        f"INSERT INTO accounts (id, account_name, created_at, updated_at) SELECT {A_ROW}",
        "create-account",
    ),
    ("UPDATE accounts SET is_active = false", "update-account"),
    ("UPDATE accounts SET is_active = false WHERE account_name = 'nobody'", "update-account"),
    ("DELETE FROM accounts", "delete-account"),
    ("UPDATE account_exchange_credentials SET is_active = false", "replace-credential"),
    ("DELETE FROM account_exchange_credentials", "remove-credential"),
    ("TRUNCATE account_exchange_credentials", "rebuild"),
    (
        "INSERT INTO account_exchange_sharing SELECT gen_random_uuid(), a.id, b.id, 1, 'full', "
        "now(), now() FROM accounts a, accounts b WHERE a.id <> b.id",
        "share or unshare",
    ),
    ("UPDATE account_exchange_sharing SET sharing_type = 'full'", "share or unshare"),
    ("DELETE FROM account_exchange_sharing", "share or unshare"),
    ("TRUNCATE account_exchange_sharing", "rebuild"),
]


@pytest.fixture
def filled(cli: CommandLine, connection: Connection) -> Connection:
    """A database with two accounts and some credentials."""
    cli("create-account", "other")
    cli("import-env", "bot", "--env-file", cli.file("bot.env", ENV_FILE), "--create")
    return connection


@pytest.mark.parametrize("role", [None, "registry_owner", "registry_operator"])
def test_a_direct_write_is_refused_with_the_command_to_use(
    filled: Connection, role: str | None
) -> None:
    before = live_rows(filled)
    if role:
        filled.execute(f"SET ROLE {role}")
    for statement, hint in STATEMENTS:
        if role == "registry_operator" and statement.startswith("TRUNCATE"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                filled.execute(statement)
            continue
        with pytest.raises(DirectWriteRefused, match="is a projection of audit_events") as refused:
            with registry_errors(filled):
                filled.execute(statement)
        assert hint in (refused.value.hint or "")
    filled.execute("RESET ROLE")
    assert live_rows(filled) == before


@pytest.mark.parametrize("statement", ["TRUNCATE accounts CASCADE", "DROP OWNED BY registry_bot"])
def test_the_tables_cannot_be_emptied_together_either(filled: Connection, statement: str) -> None:
    before = live_rows(filled)
    with contextlib.suppress(psycopg.Error):
        filled.execute(statement)
    assert live_rows(filled) == before


def test_rows_cannot_be_copied_in(filled: Connection) -> None:
    with pytest.raises(psycopg.Error, match="INSERT on accounts is refused"):
        with filled.cursor().copy("COPY accounts (id, account_name) FROM STDIN") as copy:
            copy.write_row((new_id(), "direct"))


def test_a_transaction_before_that_appended_gives_no_leave(filled: Connection) -> None:
    append(filled)
    with pytest.raises(psycopg.Error, match="is refused"):
        filled.execute("UPDATE accounts SET is_active = false")


def test_what_another_transaction_appends_meanwhile_gives_no_leave(
    filled: Connection, database_url: str
) -> None:
    with psycopg.connect(database_url) as other:
        other.execute("SELECT 1")
        append(filled)
        with pytest.raises(psycopg.Error, match="is refused"):
            other.execute("UPDATE accounts SET is_active = false")


def test_a_setting_cannot_forge_the_leave(filled: Connection) -> None:
    filled.execute("SET ROLE registry_operator")
    for statement in (
        "UPDATE audit_head SET appended_by = pg_current_xact_id(), appended_at = now()",
        "INSERT INTO audit_head DEFAULT VALUES",
        "ALTER TABLE accounts DISABLE TRIGGER ALL",
        "DROP TRIGGER accounts_only_by_event ON accounts",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION projection_refuse_direct_write() RETURNS trigger "
        "LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            filled.execute(statement)


def test_a_transaction_id_from_a_restored_dump_gives_no_leave(filled: Connection) -> None:
    with filled.transaction():
        filled.execute(
            "UPDATE audit_head SET appended_by = pg_current_xact_id(), "
            "appended_at = now() - interval '1 day'"
        )
        with pytest.raises(psycopg.Error, match="is refused"), filled.transaction():
            filled.execute("DELETE FROM account_exchange_sharing")


def test_with_an_event_in_the_same_transaction_a_row_may_change_but_no_table_be_emptied(
    filled: Connection,
) -> None:
    with filled.transaction():
        append(filled)
        filled.execute("UPDATE accounts SET description = 'with an event'")
        with pytest.raises(psycopg.Error, match="TRUNCATE on"), filled.transaction():
            filled.execute("TRUNCATE account_exchange_sharing")
