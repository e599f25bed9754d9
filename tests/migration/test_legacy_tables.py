"""`migrate up` on a bot's database from before the registry."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from support.catalogs import tables_in_catalog
from support.legacy import LegacyDatabase, fill_well

from registry.database.migrator import Migrator
from registry.errors import LegacyInTheWay, RegistryError

TABLES = ("accounts", "account_exchange_credentials", "account_exchange_sharing")
OLD_COLUMNS = (
    "id, account_id, exchange_id, api_key_encrypted, secret_key_encrypted,"
    " additional_credentials_encrypted, exchange_account_id, subaccount_index, is_active,"
    " last_used, created_at, updated_at"
)


@pytest.fixture
def bot(empty_database: str) -> Iterator[LegacyDatabase]:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        yield LegacyDatabase(connection).make()


def everything(bot: LegacyDatabase) -> dict[str, list[str]]:
    return {
        "accounts": bot.rows("accounts"),
        "credentials": bot.rows("account_exchange_credentials", OLD_COLUMNS),
        "sharing": bot.rows("account_exchange_sharing"),
        "positions": bot.rows("strategy_positions"),
    }


def test_no_row_is_touched(bot: LegacyDatabase) -> None:
    fill_well(bot)
    before = everything(bot)
    Migrator(bot.connection).up()
    assert everything(bot) == before


def test_rows_that_break_every_rule_are_not_touched_either(bot: LegacyDatabase) -> None:
    padded = bot.account(" padded ", metadata=[1, 2])
    for _ in range(2):
        bot.credential(padded, "aster", api_key="plain")
    bot.credential(padded, "grvt", subaccount_index=-4)
    bot.share(padded, bot.account("\n"), "aster", sharing_type="whatever")
    before = everything(bot)
    Migrator(bot.connection).up()
    assert everything(bot) == before


def test_up_again_does_nothing(bot: LegacyDatabase) -> None:
    fill_well(bot)
    assert Migrator(bot.connection).up()
    assert Migrator(bot.connection).up() == []


def test_triggers_that_set_updated_at_are_gone_and_the_bots_own_stay(bot: LegacyDatabase) -> None:
    bot.connection.execute(
        "CREATE TRIGGER positions_updated BEFORE UPDATE ON strategy_positions"
        " FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()"
    )
    Migrator(bot.connection).up()
    names = [row[0] for row in bot.connection.execute("SELECT tgname FROM pg_trigger")]
    assert not [name for name in names if name.startswith("update_account")]
    assert "positions_updated" in names


def test_a_guard_keeps_the_rows_as_they_are_until_they_are_adopted(bot: LegacyDatabase) -> None:
    fill_well(bot)
    Migrator(bot.connection).up()
    with pytest.raises(psycopg.Error, match="is refused"):
        bot.connection.execute("UPDATE accounts SET description = 'x'")


def test_empty_tables_become_the_registrys_at_once(
    bot: LegacyDatabase, connection: psycopg.Connection[Any]
) -> None:
    Migrator(bot.connection).up()
    assert tables_in_catalog(bot.connection) == tables_in_catalog(connection)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("ALTER TABLE accounts ALTER COLUMN created_at TYPE timestamptz", "created_at is of type"),
        (
            "ALTER TABLE accounts ADD COLUMN owner text NOT NULL",
            "accounts.owner is a column of your",
        ),
        (
            "ALTER TABLE account_exchange_sharing DROP COLUMN exchange_id",
            "has no column exchange_id",
        ),
        (
            "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN NEW.account_name = upper(NEW.account_name); RETURN NEW; END';"
            "CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON accounts"
            " FOR EACH ROW EXECUTE FUNCTION shout()",
            "the trigger shout on accounts may rewrite",
        ),
        (
            "ALTER TABLE account_exchange_sharing DROP CONSTRAINT account_exchange_sharing_pkey",
            "account_exchange_sharing has no primary key on id",
        ),
    ],
)
def test_what_cannot_be_taken_over_is_named_and_nothing_changes(
    bot: LegacyDatabase, statement: str, reason: str
) -> None:
    bot.connection.execute(statement.encode())
    before = relations(bot.connection)
    with pytest.raises(LegacyInTheWay, match=reason):
        Migrator(bot.connection).up()
    assert relations(bot.connection) == before


def test_a_view_in_the_place_of_a_table_is_refused(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE VIEW accounts AS SELECT 1 AS id")
        with pytest.raises(RegistryError, match="not an ordinary table"):
            Migrator(connection).up()


def test_a_trigger_that_is_disabled_is_no_obstacle(bot: LegacyDatabase) -> None:
    bot.connection.execute(
        "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER quiet BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION quiet();"
        "ALTER TABLE accounts DISABLE TRIGGER quiet"
    )
    assert Migrator(bot.connection).up()


def relations(connection: psycopg.Connection[Any]) -> list[Any]:
    return connection.execute(
        "SELECT relname, relkind FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    ).fetchall()
