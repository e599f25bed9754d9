"""Imports that would give an account another account's data: refused unless allowed."""

import json
from pathlib import Path

import pytest
from support.cli import CommandLine
from support.credentials import FIELDS
from support.tables import nothing_written

ASTER = "ASTER_API_KEY=key-of-a7\nASTER_SECRET_KEY=secret-of-a7\n"
OTHER = "ASTER_API_KEY=key-of-b7\nASTER_SECRET_KEY=secret-of-b7\n"
HYPERLIQUID = FIELDS["hyperliquid"]
VAULT = HYPERLIQUID["wallet_address"][:-1] + "4"


@pytest.fixture
def two(cli: CommandLine) -> CommandLine:
    """main_bot with an Aster key, and bot_012 with another one."""
    for name, text in (("main_bot", ASTER), ("bot_012", OTHER)):
        path = cli.file(f"{name}.env", text)
        assert cli("import-env", name, "--env-file", path, "--create").exit_status == 0
    return cli


def env(name: str, values: dict[str, str]) -> str:
    return "".join(f"{name}_{field.upper()}={value}\n" for field, value in values.items())


# ---------------------------------------------------------------- whose file it is


def test_a_file_of_another_account_is_taken_only_if_told(
    two: CommandLine, database_url: str
) -> None:
    path = two.file(".env.bot_011", ASTER.replace("a7", "a8"))
    with nothing_written(database_url):
        refused = two("import-env", "bot_012", "--env-file", path, "--json")
    assert (refused.exit_status, refused.error["code"]) == (5, "other_account_named")
    assert refused.error["message"] == ".env.bot_011 names the account bot_011, not bot_012"
    told = two("import-env", "bot_012", "--env-file", path, "--allow-other-account")
    assert told.exit_status == 0
    assert "replaced   aster, version 1→2: api_key, secret_key" in told.out


def test_a_variable_that_names_another_account_is_told_from_a_folder_too(
    two: CommandLine, database_url: str
) -> None:
    folder = two.folder / "bots"
    folder.mkdir()
    (folder / ".env.bot_012").write_text(f"ACCOUNT_NAME=main_bot\n{ASTER.replace('a7', 'a8')}")
    path = str(folder / ".env.bot_012")
    with nothing_written(database_url):
        one = two("import-env", "bot_012", "--env-file", path)
        all_ = two("import-env", "--dir", str(folder))
    why = "ACCOUNT_NAME in .env.bot_012 names the account main_bot, not bot_012"
    assert (one.exit_status, all_.exit_status) == (5, 5)
    assert why in one.err
    assert f"refused   .env.bot_012: {why}" in all_.err
    assert two("import-env", "--dir", str(folder), "--allow-other-account").exit_status == 0


@pytest.mark.parametrize(
    "config",
    [
        {"main_bot": {"exchange": "aster", "key": "k7", "secret": "s7"}},
        {"bot_011": {"exchange": "aster", "key": "k7", "secret": "s7"}},
        {"x": {"exchange": "aster", "key": "k7", "secret": "s7", "account_name": "main_bot"}},
        {"bot_name": "main_bot", "exchange": {"name": "aster", "key": "k7", "secret": "s7"}},
        {"connector": "aster", "aster_api_key": "k7", "secret": "s7", "account": "main_bot"},
    ],
)
def test_an_entry_of_a_configuration_that_names_another_account_is_refused(
    two: CommandLine, database_url: str, config: object
) -> None:
    path = two.file("config.json", json.dumps(config))
    with nothing_written(database_url):
        refused = two("import-config", "bot_012", "--file", path, "--json")
    assert (refused.exit_status, refused.error["code"]) == (5, "other_account_named")
    told = two("import-config", "bot_012", "--file", path, "--allow-other-account", "--json")
    assert told.exit_status == 0
    assert [one["change"] for one in told.data["credentials"]] == ["replaced"]


def test_fields_in_a_file_of_another_account_are_refused(two: CommandLine) -> None:
    path = two.file("main_bot.json", json.dumps({"api_key": "k7", "secret_key": "s7"}))
    arguments = ("replace-credential", "bot_012", "aster", "--from-json", path)
    assert "main_bot.json names the account main_bot" in two(*arguments).err
    assert two(*arguments, "--allow-other-account").exit_status == 0


# ---------------------------------------------------------------- whose secret it is


@pytest.mark.parametrize("verb", ["add-credential", "replace-credential"])
def test_a_secret_of_another_account_is_refused_by_every_verb(
    two: CommandLine, database_url: str, verb: str
) -> None:
    if verb == "add-credential":
        two("remove-credential", "bot_012", "aster", "--yes")
    fields = json.dumps({"api_key": "key-of-a7", "secret_key": "secret-of-a7"})
    arguments = (verb, "bot_012", "aster", "--from-json", "-")
    with nothing_written(database_url):
        refused = two(*arguments, "--json", stdin=fields)
    assert (refused.exit_status, refused.error["code"]) == (5, "secret_in_use")
    assert refused.error["message"] == (
        "account main_bot holds the same api_key and secret_key for aster"
    )
    told = two(*arguments, "--allow-shared-secret", stdin=fields)
    assert told.exit_status == 0
    assert "Note: bot_012 and main_bot hold the same api_key and secret_key for aster" in told.err
    assert "key-of-a7" not in refused.err + told.err + told.out


def test_a_copied_file_is_refused_by_its_secret(two: CommandLine, database_url: str) -> None:
    path = two.file("bot_012.env", ASTER)
    config = two.file(
        "c.json", '{"x": {"exchange": "aster", "key": "key-of-a7", "secret": "secret-of-a7"}}'
    )
    folder = two.folder / "bots"
    folder.mkdir()
    (folder / ".env.bot_012").write_text(ASTER)
    for arguments in (
        ("import-env", "bot_012", "--env-file", path),
        ("import-config", "bot_012", "--file", config),
        ("import-env", "--dir", str(folder)),
    ):
        with nothing_written(database_url):
            refused = two(*arguments, "--json")
        assert (refused.exit_status, refused.error["code"]) == (5, "secret_in_use"), arguments
        assert "account main_bot holds the same" in refused.error["message"]
        assert two(*arguments, "--allow-shared-secret", "--dry-run").exit_status == 0


def test_a_wallet_and_its_vault_are_two_accounts_of_one_key(cli: CommandLine) -> None:
    folder = cli.folder / "bots"
    folder.mkdir()
    (folder / ".env.wallet").write_text(env("HYPERLIQUID", HYPERLIQUID))
    vault = {**HYPERLIQUID, "wallet_address": VAULT}
    (folder / ".env.the_vault").write_text(env("HYPERLIQUID", vault))
    done = cli("import-env", "--dir", str(folder), "--create", "--json")
    assert done.exit_status == 0
    assert [one["left_out"] for one in done.data] == [None, None]
    assert sum("two accounts at the exchange" in str(one["notes"]) for one in done.data) == 2


def test_a_file_that_shares_some_secrets_with_another_is_refused_unless_told(
    cli: CommandLine,
) -> None:
    folder = cli.folder / "bots"
    folder.mkdir()
    backpack = env("BACKPACK", FIELDS["backpack"])
    (folder / ".env.first").write_text(ASTER + backpack)
    (folder / ".env.second").write_text(OTHER + backpack)
    refused = cli("import-env", "--dir", str(folder), "--create")
    assert refused.exit_status == 5
    assert "refused   .env.second: .env.first has the same secret_key for backpack" in refused.err
    assert refused.out.startswith("Imported into first (events 0, 1, 2).")
    told = cli("import-env", "--dir", str(folder), "--create", "--allow-shared-secret")
    assert told.exit_status == 0
    assert "Note: second and first hold the same secret_key for backpack" in told.err


# ---------------------------------------------------------------- what became of each credential


def test_what_was_added_replaced_or_left_is_said_by_exchange(two: CommandLine) -> None:
    backpack = env("BACKPACK", FIELDS["backpack"])
    path = two.file("main_bot.env", ASTER + backpack)
    arguments = ("import-env", "main_bot", "--env-file", path)
    out = two(*arguments, "--dry-run").out
    assert "  unchanged  aster: api_key, secret_key\n" in out
    assert "  added      backpack: public_key, secret_key\n" in out
    done = two(*arguments, "--json").data
    assert done["credentials"] == [
        {
            "exchange": "aster",
            "subaccount_index": None,
            "permission": "full",
            "change": "unchanged",
            "version": 1,
            "previous_version": 1,
        },
        {
            "exchange": "backpack",
            "subaccount_index": None,
            "permission": "full",
            "change": "added",
            "version": 1,
            "previous_version": None,
        },
    ]
    again = two(*arguments)
    assert again.out.startswith("Nothing to change: it is already like this.\n  unchanged  aster")


def test_a_folder_says_it_of_each_file(two: CommandLine) -> None:
    folder = two.folder / "bots"
    folder.mkdir()
    (folder / ".env.main_bot").write_text(ASTER.replace("secret-of-a7", "secret-of-a8"))
    (folder / ".env.new").write_text(env("BACKPACK", FIELDS["backpack"]))
    done = two("import-env", "--dir", str(folder), "--create")
    assert done.out == (
        "Imported into main_bot (event 4).\n"
        "  replaced   aster, version 1→2: api_key, secret_key\n"
        "Imported into new (events 5, 6).\n"
        "  added      backpack: public_key, secret_key\n"
    )


def test_the_same_command_again_tells_no_changes_twice(two: CommandLine) -> None:
    path = two.file("main_bot.env", ASTER.replace("a7", "a8"))
    named = ("--command-id", "00000000-0000-4000-8000-000000000001")
    arguments = ("import-env", "main_bot", "--env-file", path, *named)
    assert "replaced   aster" in two(*arguments).out
    again = two(*arguments)
    assert "this is its first result" in again.out
    assert "found      aster: api_key, secret_key" in again.out


# ---------------------------------------------------------------- which subaccount is meant


def test_an_import_asks_which_subaccount_is_meant(cli: CommandLine, database_url: str) -> None:
    cli("create-account", "bot")
    cli.store("bot", "lighter", "--subaccount", "3")
    path = cli.file("bot.env", "API_KEY_PRIVATE_KEY=new7\nLIGHTER_ACCOUNT_INDEX=7\n")
    with nothing_written(database_url):
        refused = cli("import-env", "bot", "--env-file", path)
    assert refused.exit_status == 2
    assert "account bot has lighter subaccount 3, and the import names no subaccount" in refused.err
    assert "--subaccount 3 replaces what is there" in refused.err
    told = cli("import-env", "bot", "--env-file", path, "--subaccount", "lighter=3")
    assert "replaced   lighter subaccount 3, version 1→2" in told.out
    second = cli("import-env", "bot", "--env-file", path, "--subaccount", "0")
    assert "added      lighter subaccount 0" in second.out
    assert "Note: bot has lighter subaccount 3 and lighter subaccount 0 from now on" in second.err


def test_a_subaccount_is_for_one_exchange_or_for_all(cli: CommandLine) -> None:
    path = cli.file("bot.env", ASTER + env("BACKPACK", FIELDS["backpack"]))
    options = ("--subaccount", "2", "--subaccount", "aster=5")
    done = cli("import-env", "bot", "--env-file", path, "--create", *options, "--json").data
    slots = {one["exchange"]: one["subaccount_index"] for one in done["credentials"]}
    assert slots == {"aster": 5, "backpack": 2}


def test_a_part_of_a_file_is_of_the_subaccount_that_is_named(cli: CommandLine) -> None:
    path = cli.file("bot.env", ASTER)
    assert cli("import-env", "bot", "--env-file", path, "--create").exit_status == 0
    part = cli.file("part.env", "ASTER_SECRET_KEY=new7\n")
    refused = cli("import-env", "bot", "--env-file", part, "--subaccount", "4")
    assert "ASTER_API_KEY is missing" in refused.err
    done = cli("import-env", "bot", "--env-file", part, "--subaccount", "0")
    assert "replaced   aster, version 1→2" in done.out


@pytest.mark.parametrize(
    "given",
    [
        ("x",),
        ("-1",),
        ("aster=",),
        ("=1", "2"),
        ("1", "2"),
        ("aster=1", "aster=2"),
        ("lighter=1",),
        ("99999999999",),
        ("\u0661",),
    ],
)
def test_a_subaccount_must_be_clear(
    cli: CommandLine, database_url: str, given: tuple[str, ...]
) -> None:
    path = cli.file("bot.env", ASTER)
    options = [part for text in given for part in ("--subaccount", text)]
    with nothing_written(database_url):
        refused = cli("import-env", "bot", "--env-file", path, "--create", *options)
    assert refused.exit_status == 2


def test_a_folder_takes_no_subaccount(cli: CommandLine, tmp_path: Path) -> None:
    refused = cli("import-env", "--dir", str(tmp_path), "--subaccount", "1")
    assert (refused.exit_status, "belongs to one account" in refused.err) == (2, True)


# ---------------------------------------------------------------- what is in whose place


KEY = "9f3a" * 16


@pytest.mark.parametrize(
    ("text", "both"),
    [
        (
            f"HYPERLIQUID_WALLET_ADDRESS=0x{KEY}\nHYPERLIQUID_PRIVATE_KEY=0x{'a1' * 20}\n",
            ("wallet_address", "private_key"),
        ),
        (
            f"HYPERLIQUID_WALLET_ADDRESS={KEY}\nHYPERLIQUID_PRIVATE_KEY=0x{KEY}\n",
            ("wallet_address", "private_key"),
        ),
        (
            f"PARADEX_L1_ADDRESS=0x{KEY}\nPARADEX_L2_PRIVATE_KEY=0x0{KEY[1:]}\n",
            ("l1_address", "l2_private_key_hex"),
        ),
        (
            f"PARADEX_L1_ADDRESS={VAULT}\nPARADEX_L2_PRIVATE_KEY=0x0{KEY[1:]}\n"
            f"PARADEX_L2_ADDRESS=0x{KEY[1:]}\n",
            ("l2_address", "l2_private_key_hex"),
        ),
        (
            f"{env('HYPERLIQUID', {**HYPERLIQUID, 'private_key': KEY})}"
            f"PARADEX_L1_ADDRESS={VAULT}\nPARADEX_L2_PRIVATE_KEY=0x0{'b' * 63}\n"
            f"PARADEX_L2_ADDRESS=0x{KEY}\n",
            ("PARADEX_L2_ADDRESS", "HYPERLIQUID_PRIVATE_KEY"),
        ),
    ],
)
def test_a_key_in_an_address_s_place_is_refused_by_both_fields(
    cli: CommandLine, database_url: str, text: str, both: tuple[str, str]
) -> None:
    path = cli.file("bot.env", text)
    with nothing_written(database_url):
        refused = cli("import-env", "bot", "--env-file", path, "--create")
    assert refused.exit_status == 2
    assert all(name in refused.err for name in both)
    assert KEY[:8] not in refused.err


@pytest.mark.parametrize(
    "options",
    [
        ("--wallet-address", f"0x{KEY}"),
        ("--wallet-address", KEY),
        ("--wallet-address", f" 0x{KEY}"),
        ("--description", f"key 0x{KEY}"),
        ("--description", KEY),
        ("--metadata", json.dumps({"a": {"b": [f"0x{KEY}"]}})),
        ("--metadata", json.dumps({f"0x{KEY}": 1})),
        ("--reason", f"0x{KEY}"),
        ("--actor", KEY),
    ],
)
def test_no_private_key_gets_into_a_plain_column(
    cli: CommandLine, database_url: str, options: tuple[str, str]
) -> None:
    cli("create-account", "bot")
    with nothing_written(database_url):
        for arguments in (
            ("create-account", "new", *options),
            ("update-account", "bot", "--clear", "description", *options),
            ("create-account", options[1]),
            ("rename-account", "bot", options[1] if options[1][:1] != "{" else KEY),
        ):
            refused = cli(*arguments)
            assert refused.exit_status == 2, arguments
            assert KEY[:8] not in refused.err


def test_no_private_key_gets_into_what_stands_beside_a_credential(
    bot: CommandLine, database_url: str
) -> None:
    bot.store("bot", "aster")
    with nothing_written(database_url):
        for options in (
            ("update-credential", "bot", "aster", "--label", f"0x{KEY}"),
            ("update-credential", "bot", "aster", "--exchange-account", KEY),
            ("add-exchange", "own", "--field", f"key={KEY.upper()}"),
            ("add-exchange", "own", "--field", "key=OWN_KEY", "--display-name", KEY),
            ("add-exchange", KEY, "--field", "key=OWN_KEY"),
        ):
            refused = bot(*options)
            assert refused.exit_status == 2, options
            assert KEY[:8].lower() not in refused.err.lower()
