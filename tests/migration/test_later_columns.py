"""A later migration adds a column to a table without touching the earlier columns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from support.legacy import LegacyDatabase

from registry.database.migration_files import Migration, load_migrations
from registry.database.migrator import Migrator

LATER: Final = Path(__file__).parent / "later"
MIGRATIONS: Final = (
    *load_migrations(),
    Migration(
        99,
        "account_colour",
        (LATER / "099_account_colour.sql").read_text(),
        (LATER / "099_account_colour.down.sql").read_text(),
    ),
)


@pytest.fixture
def bot(empty_database: str) -> Iterator[LegacyDatabase]:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        yield LegacyDatabase(connection).make(later=True)


def rules(connection: psycopg.Connection[Any]) -> set[str]:
    rows = connection.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = 'accounts'::regclass"
        " AND contype IN ('c', 'f', 'u')"
    )
    return {row[0] for row in rows}


def indexes(connection: psycopg.Connection[Any]) -> set[str]:
    rows = connection.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'accounts'")
    return {row[0] for row in rows}


OWN: Final = {"accounts_account_name_is_clean", "accounts_colour_is_said"}


def test_its_rule_is_in_force_where_the_others_are(connection: psycopg.Connection[Any]) -> None:
    Migrator(connection, MIGRATIONS).up()
    assert rules(connection) >= OWN


def test_its_rule_waits_for_rows_that_are_not_adopted_and_comes_with_the_others(
    bot: LegacyDatabase,
) -> None:
    bot.account("old")
    Migrator(bot.connection, MIGRATIONS).up()
    assert not rules(bot.connection) & OWN
    for _ in range(2):
        bot.connection.execute("SELECT projections_loosen()")
        assert not rules(bot.connection) & OWN
        bot.connection.execute("SELECT projections_tighten()")
        assert rules(bot.connection) >= OWN


def test_what_a_bot_has_on_columns_of_its_own_stays(bot: LegacyDatabase) -> None:
    """Also where one is called like a column that the registry has in another table."""
    bot.connection.execute(
        "ALTER TABLE accounts ADD COLUMN label TEXT CONSTRAINT label_is_short"
        " CHECK (length(label) < 9);"
        "CREATE INDEX accounts_label ON accounts (label, account_name)"
    )
    Migrator(bot.connection, MIGRATIONS).up()
    bot.connection.execute("SELECT projections_loosen()")
    assert rules(bot.connection) == {"label_is_short", "accounts_user_id_fkey"}
    assert indexes(bot.connection) == {
        *("accounts_pkey", "accounts_label"),
        *("idx_accounts_user_id", "idx_accounts_user_name_unique"),
        "idx_accounts_name_unique_legacy",
    }


def test_going_down_takes_it_away(connection: psycopg.Connection[Any]) -> None:
    migrator = Migrator(connection, MIGRATIONS)
    before = rules(connection)
    migrator.up()
    migrator.down(keep=98)
    assert rules(connection) == before
