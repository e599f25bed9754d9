"""The verbs `exchanges` and `add-exchange`."""

from typing import Any

import psycopg
from support.cli import CommandLine
from support.tables import nothing_written
from support.terminal import shown_on_a_terminal


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
    assert "PARADEX_L2_PRIVATE_KEY" in bot("exchanges", "paradex").out
    (paradex,) = bot("exchanges", "paradex", "--json").data
    assert paradex == listed["paradex"]
    mistyped = bot("exchanges", "astre")
    assert (mistyped.exit_status, "Did you mean aster?" in mistyped.err) == (3, True)


def test_a_name_of_other_programs_is_answered_with_ours(cli: CommandLine) -> None:
    for name, ours in {"huobi": "htx", "gateio": "gate", "Binance": "binance"}.items():
        assert f"Did you mean {ours}?" in cli("exchanges", name).err
    own = ("add-exchange", "desk", "--field", "key=DESK_KEY:ccxt=apiKey", "--ccxt", "huobi")
    assert "Did you mean htx?" in cli(*own).err


def test_what_is_said_of_one_exchange(cli: CommandLine) -> None:
    (kraken,), (okx,) = (cli("exchanges", name, "--json").data for name in ("kraken", "okx"))
    assert (kraken["display_name"], kraken["test_system"], okx["test_system"]) == (
        *("Kraken", False, True),
    )
    assert (kraken["nonces"], okx["nonces"]) == ("counted per key, as ccxt says", None)
    field = ("--field", "key=DESK_KEY", "--nonce-per-key")
    assert cli("add-exchange", "desk", *field).exit_status == 0
    assert "counted per key, as its definition says" in cli("exchanges", "desk").out


def test_what_is_built_in_is_corrected_by_nobody(cli: CommandLine) -> None:
    refused = cli("update-exchange", "lighter", "--nonce-per-key")
    assert (refused.exit_status, "They are built in" in refused.err) == (3, True)
    assert "add-exchange binance" in cli("remove-exchange", "binance").err


def test_an_exchange_is_one_line_of_the_list(bot: CommandLine) -> None:
    bot.store("bot", "aster")
    lines = shown_on_a_terminal(bot, "exchanges")
    assert len(lines) == len(bot("exchanges", "--json").data) + 1
    assert max(map(len, lines)) <= 80
    in_use = bot("exchanges", "--in-use").out.splitlines()[1:]
    assert [line.split("\t")[0] for line in in_use] == ["aster"]
    assert bot("exchanges", "--search", "as", "--in-use").out.splitlines()[1:] == in_use


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
