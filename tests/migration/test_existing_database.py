"""A bot's database keeps its own tables and rows; the registry only adds to them."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.credentials import FIELDS

from registry.database.migrator import Migrator
from registry.plain import to_json

Connection = psycopg.Connection[Any]

# As a bot may have made them: fewer columns here, others there, and rows in all of them.
OWN_TABLES = """
    CREATE TABLE dexes (id INTEGER PRIMARY KEY, name VARCHAR(50) UNIQUE NOT NULL, colour TEXT);
    INSERT INTO dexes VALUES (7, 'lighter', 'blue'), (8, 'own_dex', 'red');
    CREATE SEQUENCE own_ids START 100 OWNED BY dexes.id;
    ALTER TABLE dexes ALTER COLUMN id SET DEFAULT nextval('own_ids');
    CREATE TABLE symbols (id SERIAL PRIMARY KEY, symbol VARCHAR(20) UNIQUE NOT NULL);
    INSERT INTO symbols (symbol) VALUES ('BTC');
    CREATE TABLE strategy_positions (
        id UUID PRIMARY KEY, status VARCHAR(20) NOT NULL, size_usd NUMERIC, note TEXT);
    INSERT INTO strategy_positions
    VALUES ('00000000-0000-0000-0000-000000000001', 'open', 12.5, 'keep me'),
           ('00000000-0000-0000-0000-000000000002', 'closed', 7, NULL);
"""


@pytest.fixture
def bot(empty_database: str) -> Iterator[Connection]:
    """A bot's database, with the registry added to it."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(OWN_TABLES.encode())
        Migrator(connection).up()
        yield connection


@pytest.fixture
def bot_cli(cli: CommandLine, bot: Connection, empty_database: str) -> CommandLine:
    """The command line on the bot's database."""
    assert not bot.closed
    cli.environment["DATABASE_URL"] = empty_database
    return cli


def test_its_rows_stay_as_they_were(bot: Connection) -> None:
    assert bot.execute("SELECT * FROM dexes WHERE id < 100 ORDER BY id").fetchall() == [
        (7, "lighter", "blue"),
        (8, "own_dex", "red"),
    ]
    assert bot.execute("SELECT symbol FROM symbols").fetchall() == [("BTC",)]
    rows = bot.execute("SELECT status, size_usd::text, note, account_id FROM strategy_positions")
    assert rows.fetchall() == [("open", "12.5", "keep me", None), ("closed", "7", None, None)]


def test_the_exchanges_that_it_lacks_are_added(bot: Connection) -> None:
    rows = bot.execute("SELECT id, name FROM dexes WHERE id >= 100 ORDER BY id").fetchall()
    assert [name for _, name in rows] == [
        "aster",
        "backpack",
        "paradex",
        "edgex",
        "grvt",
        "hyperliquid",
    ]


def test_going_up_again_and_down_leaves_its_rows_too(bot: Connection) -> None:
    before = bot.execute("SELECT * FROM dexes ORDER BY id").fetchall()
    Migrator(bot).down()
    Migrator(bot).up()
    assert bot.execute("SELECT * FROM dexes ORDER BY id").fetchall() == before
    assert bot.execute("SELECT count(*) FROM strategy_positions").fetchone() == (2,)


def test_the_commands_work_on_it(bot_cli: CommandLine, bot: Connection) -> None:
    assert bot_cli("create-account", "bot").exit_status == 0
    stored = bot_cli(
        "add-credential", "bot", "lighter", "--from-json", "-", stdin=to_json(FIELDS["lighter"])
    )
    assert stored.exit_status == 0, stored.err
    assert bot.execute("SELECT exchange_id FROM account_exchange_credentials").fetchone() == (7,)
    listed = bot_cli("exchanges", "--json").data
    assert next(e for e in listed if e["exchange"] == "own_dex")["fields"] == []


def test_its_own_exchange_can_be_defined_and_keeps_its_row(
    bot_cli: CommandLine, bot: Connection
) -> None:
    defined = bot_cli("add-exchange", "own_dex", "--field", "api_key=OWN_API_KEY")
    assert defined.exit_status == 0, defined.err
    added = bot_cli("add-exchange", "kraken", "--field", "api_key=KRAKEN_API_KEY")
    assert added.exit_status == 0, added.err
    assert bot.execute("SELECT id, colour FROM dexes WHERE name = 'own_dex'").fetchone() == (
        8,
        "red",
    )
    bot_cli("create-account", "bot")
    for exchange in ("own_dex", "kraken"):
        done = bot_cli(
            "add-credential", "bot", exchange, "--from-json", "-", stdin='{"api_key": "k7"}'
        )
        assert done.exit_status == 0, done.err


def test_an_exchange_can_be_added_where_ids_are_given_by_hand(
    bot_cli: CommandLine, bot: Connection
) -> None:
    bot.execute("ALTER TABLE dexes ALTER COLUMN id DROP DEFAULT; DROP SEQUENCE own_ids")
    added = bot_cli("add-exchange", "kraken", "--field", "api_key=KRAKEN_API_KEY")
    assert added.exit_status == 0, added.err
    assert bot.execute(
        "SELECT id = max(id) OVER () FROM dexes WHERE name = 'kraken'"
    ).fetchone() == (True,)


def test_a_list_of_exchanges_does_not_need_its_columns(bot_cli: CommandLine) -> None:
    position = "00000000-0000-0000-0000-000000000001"
    made = bot_cli("create-account", "bot", "--metadata", '{"allowed_exchanges": ["lighter"]}')
    assert made.exit_status == 0, made.err
    linked = bot_cli("link-positions", "bot", "--position", position)
    assert linked.exit_status == 0, linked.err
    narrowed = bot_cli("update-account", "bot", "--set", 'allowed_exchanges=["own_dex"]')
    assert narrowed.exit_status == 0, narrowed.err
    found = bot_cli("doctor", "--json").data
    assert not [f for f in found if f["check"] in ("contents", "allowed exchanges")]
