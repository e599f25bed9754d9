"""The verbs `exchanges` and `add-exchange`."""

from typing import Any

import psycopg
from support.cli import CommandLine
from support.tables import nothing_written


def test_exchanges_are_listed_with_the_fields_of_their_credentials(bot: CommandLine) -> None:
    bot.store("bot", "aster")
    listed = {entry["exchange"]: entry for entry in bot("exchanges", "--json").data}
    assert listed["aster"]["credentials"] == 1
    assert listed["lighter"]["fields"][1] == {
        "name": "account_index",
        "env": "LIGHTER_ACCOUNT_INDEX",
        "secret": False,
        "required": True,
        "type": "integer",
        "default": None,
    }
    assert "PARADEX_L2_PRIVATE_KEY" in bot("exchanges", COLUMNS="200").out


def test_an_exchange_of_one_s_own_is_defined_and_used(
    cli: CommandLine, connection: psycopg.Connection[Any], database_url: str
) -> None:
    options = [
        *("--field", "api_key=KRAKEN_API_KEY", "--field", "uid=KRAKEN_UID:public:integer"),
        *("--field", "note=KRAKEN_NOTE:optional:ccxt=secret"),
        *("--ccxt", "kraken", "--display-name", "Kraken"),
    ]
    with nothing_written(database_url):
        assert cli("add-exchange", "kraken", *options, "--dry-run").exit_status == 0
    defined = cli("add-exchange", "kraken", *options)
    assert defined.out == "Defined exchange kraken (event 0).\n"
    row = connection.execute("SELECT display_name FROM dexes WHERE name = 'kraken'").fetchone()
    assert row == ("Kraken",)
    entry = next(e for e in cli("exchanges", "--json").data if e["exchange"] == "kraken")
    assert (entry["built_in"], entry["ccxt_id"]) == (False, "kraken")
    again = cli("add-exchange", "kraken", *options, "--json")
    assert (again.exit_status, again.error["code"]) == (4, "exchange_exists")
    path = cli.file("k.env", "KRAKEN_API_KEY=k7\nKRAKEN_UID=5\n")
    done = cli("import-env", "bot", "--env-file", path, "--create", "--json")
    assert done.data["found"] == {"kraken": ["api_key", "uid"]}
