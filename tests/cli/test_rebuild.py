"""The verb rebuild: its output and its exit codes."""

from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.large_log import load_events, many_accounts
from support.registry_tables import contents, unguarded

Connection = psycopg.Connection[Any]


@pytest.fixture
def filled(cli: CommandLine, connection: Connection) -> CommandLine:
    load_events(connection, many_accounts(5))
    assert cli("rebuild").exit_status == 0
    return cli


def damage(connection: Connection, statement: str) -> None:
    with unguarded(connection):
        connection.execute(statement.encode())


def test_a_check_names_each_column_and_ends_with_6(
    filled: CommandLine, connection: Connection
) -> None:
    assert filled("rebuild", "--check").exit_status == 0
    damage(
        connection,
        "UPDATE public.accounts SET description = 'x' WHERE account_name = 'bot_1';"
        "UPDATE public.account_exchange_credentials SET api_key_encrypted = 'gAAAAx'",
    )
    text = filled("rebuild", "--check")
    assert text.exit_status == 6
    assert "description: 'x' should be 'the bot number 1'" in text.out
    assert "api_key_encrypted: differs" in text.out
    assert "gAAAA" not in text.out
    data = filled("rebuild", "--check", "--json").data
    assert data["tables"] == {
        "accounts": {"missing": 0, "extra": 0, "changed": 1},
        "account_exchange_credentials": {"missing": 0, "extra": 0, "changed": 5},
    }


def test_a_rebuild_says_what_it_repaired_and_how_long_appends_waited(
    filled: CommandLine, connection: Connection
) -> None:
    before = contents(connection)
    damage(connection, "DELETE FROM public.accounts")
    result = filled("rebuild", "--reason", "disk trouble")
    assert result.exit_status == 0
    assert "missing  accounts" in result.out
    assert "appends waited 0." in result.out
    assert contents(connection) == before
    newest = filled("history", "--limit", "1", "--json").data[0]
    assert (newest["event_type"], newest["reason"]) == ("ProjectionsRebuilt", "disk trouble")
    assert "Nothing was changed." in filled("rebuild").out


def test_rows_that_the_log_does_not_know_are_deleted_only_when_confirmed(
    filled: CommandLine, connection: Connection
) -> None:
    damage(
        connection,
        "INSERT INTO public.accounts VALUES "
        "(gen_random_uuid(), 'ghost', NULL, NULL, TRUE, now(), now())",
    )
    refused = filled("rebuild", "--json")
    assert (refused.exit_status, refused.error["code"]) == (5, "confirmation_needed")
    assert "ghost" in filled("list-accounts").out
    assert filled("rebuild", "--yes").exit_status == 0
    assert "ghost" not in filled("list-accounts").out


def test_a_rebuild_at_work_is_a_conflict(filled: CommandLine, connection: Connection) -> None:
    connection.execute("SELECT pg_advisory_lock(7234117002)")
    assert filled("rebuild", "--check", "--json").error["code"] == "rebuild_running"


def test_an_operator_can_rebuild(filled: CommandLine, connection: Connection) -> None:
    damage(connection, "UPDATE public.accounts SET description = 'x'")
    connection.execute(
        "DO $$ BEGIN CREATE ROLE rebuild_operator LOGIN IN ROLE registry_operator;"
        " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
    from psycopg.conninfo import make_conninfo

    address = make_conninfo(filled.environment["DATABASE_URL"], user="rebuild_operator")
    assert filled("rebuild", "--workers", "2", DATABASE_URL=address).exit_status == 0
    assert filled("rebuild", "--check").exit_status == 0
