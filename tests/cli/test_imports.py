"""`import-env --dir` and `import-config`."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.credentials import FIELDS
from support.tables import nothing_written

ACC1 = (
    "ASTER_API_KEY=ak-1\nASTER_SECRET_KEY=canary-1\n"
    "BACKPACK_PUBLIC_KEY=pub\nBACKPACK_SECRET_KEY=canary-b\n"
)
ACC2 = "ASTER_API_KEY=ak-2\nASTER_SECRET_KEY=canary-2\n"
TEMPLATE = "ASTER_API_KEY=your_api_key_here\nASTER_SECRET_KEY=\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bots"
    folder.mkdir()
    return folder


def accounts(cli: CommandLine) -> set[str]:
    return {row["account_name"] for row in cli("list-accounts", "--json").data}


def test_every_file_becomes_an_account_and_nothing_else_does(
    cli: CommandLine, folder: Path
) -> None:
    for name, text in {
        ".env": ACC1,
        ".env.acc1": ACC1,
        "acc2.env": ACC2,
        ".env.backup": ACC1,
        ".env.example": TEMPLATE,
        ".env.local": "LOG_LEVEL=debug\n",
        ".env.acc1.swp": "\0binary ASTER_SECRET_KEY",
        "acc1.env.old": "ASTER_SECRET_KEY: old",
        ".env.acc1.old": "ASTER_SECRET_KEY: old",
        "notes.txt": ACC2,
    }.items():
        (folder / name).write_text(text)
    result = cli("import-env", "--dir", str(folder), "--create")
    assert result.exit_status == 0
    assert accounts(cli) == {"acc1", "acc2"}
    assert "left out  .env: its name says no account" in result.err
    assert "left out  .env.backup: a copy of .env.acc1" in result.err
    assert "left out  .env.example: a template" in result.err
    assert "found     acc2.env: acc2 (new), aster" in result.err
    assert "canary" not in result.out + result.err


def test_an_older_backup_is_left_out_by_what_it_shares(cli: CommandLine, folder: Path) -> None:
    (folder / ".env.acc1").write_text(ACC1)
    (folder / ".env.acc1.bak").write_text(ACC1.replace("canary-1", "older"))
    assert cli("import-env", "--dir", str(folder), "--create").exit_status == 0
    assert accounts(cli) == {"acc1"}


def test_two_accounts_share_one_key_only_if_told(cli: CommandLine, folder: Path) -> None:
    (folder / ".env.a").write_text(ACC1)
    (folder / ".env.b").write_text(ACC1.replace("canary-1", "other"))
    arguments = ("import-env", "--dir", str(folder), "--create")
    assert cli(*arguments).exit_status == 5
    assert cli(*arguments, "--allow-shared-secret").exit_status == 0
    assert accounts(cli) == {"a", "b"}


def test_a_whole_copy_is_an_account_only_if_told(cli: CommandLine, folder: Path) -> None:
    for name in (".env.a", ".env.b", ".env.a.bak"):
        (folder / name).write_text(ACC1)
    arguments = ("import-env", "--dir", str(folder), "--create")
    told = cli(*arguments, "--allow-shared-secret", "--dry-run")
    assert "left out  .env.a.bak: a copy of .env.a" in told.err
    assert "found     .env.b: b (new)" in told.err
    assert cli(*arguments).exit_status == 0
    assert accounts(cli) == {"a"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ASTER_API_KEY=ak\nASTER_SECRET_KEY=canary\ncanary2\n", "line 3 is not NAME=VALUE"),
        ("ASTER_API_KEY=a\nASTER_API_KEY=b\n", "sets ASTER_API_KEY more than once"),
    ],
)
def test_a_file_with_an_exchange_s_variables_that_cannot_be_read_is_refused(
    cli: CommandLine, folder: Path, text: str, why: str
) -> None:
    (folder / ".env.a").write_text(ACC1)
    (folder / ".env.b").write_text(text)
    refused = cli("import-env", "--dir", str(folder), "--create")
    assert refused.exit_status == 2
    assert f"refused   .env.b: {folder / '.env.b'}" in refused.err
    assert why in refused.err
    assert "canary" not in refused.err
    assert accounts(cli) == {"a"}


def test_an_exchange_that_is_in_the_way_is_left_out_by_naming_the_others(
    cli: CommandLine, folder: Path
) -> None:
    (folder / ".env.a").write_text(ACC2 + "BACKPACK_SECRET_KEY=of-another-kind\n")
    file = ("import-env", "a", "--env-file", str(folder / ".env.a"), "--create")
    assert "backpack: BACKPACK_PUBLIC_KEY is missing" in cli(*file).err
    for arguments in (file, ("import-env", "--dir", str(folder))):
        done = cli(*arguments, "--exchange", "aster")
        assert done.exit_status == 0
        assert "aster: api_key, secret_key" in done.out
    assert cli(*file, "--exchange", "nowhere").exit_status == 3


@pytest.mark.parametrize(
    ("verb", "text", "hint"),
    [
        ("import-config", ACC2, "import-env ACCOUNT --env-file FILE"),
        ("import-env", '{\n"exchange": {"key": "canary"}}', "import-config ACCOUNT --file FILE"),
    ],
)
def test_a_file_of_the_other_kind_is_told_with_its_verb(
    cli: CommandLine, verb: str, text: str, hint: str
) -> None:
    option = "--env-file" if verb == "import-env" else "--file"
    refused = cli(verb, "a", option, cli.file("x", text), "--create")
    assert refused.exit_status == 2
    assert hint in refused.err
    assert "canary" not in refused.err


def test_files_that_add_themselves_come_to_an_end(cli: CommandLine) -> None:
    for added in (["c.json"], ["c.json"] * 400):
        path = cli.file("c.json", json.dumps({"add_config_files": added, "exchange": {}}))
        assert "or too many" in cli("import-config", "a", "--file", path).err


def test_an_account_that_is_called_backup_is_imported_if_its_keys_are_its_own(
    cli: CommandLine, folder: Path
) -> None:
    (folder / ".env.backup").write_text(ACC2)
    assert cli("import-env", "--dir", str(folder), "--create").exit_status == 0
    assert accounts(cli) == {"backup"}


def test_one_incomplete_file_is_left_out_and_told_by_the_exit_code(
    cli: CommandLine, folder: Path
) -> None:
    (folder / ".env.a").write_text(ACC1)
    (folder / ".env.b").write_text("ASTER_API_KEY=real\n")
    result = cli("import-env", "--dir", str(folder), "--create", "--json")
    assert result.exit_status == 2
    assert "refused   .env.b: incomplete credentials: aster: ASTER_SECRET_KEY" in result.err
    assert [one["refused"] is None for one in result.data] == [True, False]
    assert accounts(cli) == {"a"}


def test_a_file_with_a_secret_under_another_name_is_told_by_the_exit_code(
    cli: CommandLine, folder: Path
) -> None:
    text = ACC2 + "LIGHTER_ACCOUNT_INDEX=4\nLIGHTER_API_PRIVATE_KEY=canary-l\n"
    (folder / ".env.a").write_text(text)
    why = "lighter: only public values; API_KEY_PRIVATE_KEY is missing (LIGHTER_API_PRIVATE_KEY"
    for arguments in (
        ("import-env", "a", "--env-file", str(folder / ".env.a")),
        ("import-env", "--dir", str(folder)),
    ):
        result = cli(*arguments, "--create")
        assert result.exit_status == 5
        assert f"  skipped    {why} looks like it)\n" in result.out
    assert accounts(cli) == {"a"}


def test_accounts_are_made_only_if_told(cli: CommandLine, folder: Path) -> None:
    (folder / ".env.a").write_text(ACC1)
    result = cli("import-env", "--dir", str(folder))
    assert result.exit_status == 3
    cli("create-account", "a")
    assert cli("import-env", "--dir", str(folder)).exit_status == 0


def test_a_preview_changes_nothing(cli: CommandLine, folder: Path) -> None:
    (folder / ".env.a").write_text(ACC1)
    result = cli("import-env", "--dir", str(folder), "--create", "--dry-run", "--json")
    assert result.exit_status == 0
    assert result.data[0]["found"] == {
        "aster": ["api_key", "secret_key"],
        "backpack": ["public_key", "secret_key"],
    }
    assert accounts(cli) == set()


def test_importing_the_folder_again_changes_nothing(cli: CommandLine, folder: Path) -> None:
    (folder / ".env.a").write_text(ACC1)
    cli("import-env", "--dir", str(folder), "--create")
    again = cli("import-env", "--dir", str(folder), "--create", "--json")
    assert again.exit_status == 0
    assert again.data[0]["events"] == []


@pytest.fixture
def lending(cli: CommandLine, folder: Path) -> CommandLine:
    """Accounts a, b and c, of which c lends its key, and files with other keys for all."""
    for name in "abc":
        (folder / f".env.{name}").write_text(ACC2.replace("-2", f"-{name}"))
    assert cli("import-env", "--dir", str(folder), "--create").exit_status == 0
    assert cli("share", "b", "c", "aster").exit_status == 0
    for name in "abc":
        (folder / f".env.{name}").write_text(ACC2.replace("-2", f"-{name}-new"))
    return cli


def test_one_file_that_the_registry_refuses_keeps_no_other_out(
    lending: CommandLine, folder: Path
) -> None:
    refused = lending("import-env", "--dir", str(folder), "--json")
    assert refused.exit_status == 5
    assert "found     .env.a: a, aster" in refused.err
    assert "refused   .env.c: others are affected: b borrows aster from c" in refused.err
    assert {one["account"]: len(one.get("events", [])) for one in refused.data} == {
        "a": 1,
        "b": 1,
        "c": 0,
    }
    done = lending("import-env", "--dir", str(folder), "--cascade", "--json")
    assert done.exit_status == 0
    assert {one["account"]: len(one["events"]) for one in done.data} == {"a": 0, "b": 0, "c": 1}


def test_the_problems_of_all_files_are_told_at_once(
    lending: CommandLine, folder: Path, database_url: str
) -> None:
    lending("deactivate-account", "a")
    (folder / ".env.b").write_text("ASTER_API_KEY=your_key_here\nASTER_SECRET_KEY=real\n")
    (folder / ".env.d").write_text(ACC2)
    with nothing_written(database_url):
        refused = lending("import-env", "--dir", str(folder), "--json")
    assert refused.error["code"] == "account_inactive"
    for problem in (
        ".env.a: account a is inactive",
        ".env.b: incomplete credentials",
        ".env.c: others are affected",
        ".env.d: there is no account d",
    ):
        assert problem in refused.error["message"]
    assert "Or add --create" in refused.error["hint"]


def test_the_problems_of_all_exchanges_of_one_file_are_told_at_once(cli: CommandLine) -> None:
    path = cli.file("one.env", ACC1)
    assert cli("import-env", "a", "--env-file", path, "--create").exit_status == 0
    assert cli("deactivate-credential", "a", "aster").exit_status == 0
    assert cli("deactivate-credential", "a", "backpack").exit_status == 0
    refused = cli("import-env", "a", "--env-file", path, "--json")
    assert refused.error["code"] == "credential_inactive"
    assert "aster is inactive; the credential of a for backpack" in refused.error["message"]


def test_two_different_files_of_one_account_are_refused(
    cli: CommandLine, folder: Path, database_url: str
) -> None:
    (folder / ".env.a").write_text(ACC1)
    (folder / "a.env").write_text(ACC2)
    with nothing_written(database_url):
        refused = cli("import-env", "--dir", str(folder), "--create")
    assert refused.exit_status == 2
    assert "refused   .env.a: a.env is a's too, and they differ" in refused.err


def test_a_folder_is_one_command_of_the_log(
    cli: CommandLine, folder: Path, connection: psycopg.Connection[Any]
) -> None:
    (folder / ".env.a").write_text(ACC1)
    (folder / ".env.b").write_text(ACC2)
    done = cli("import-env", "--dir", str(folder), "--create", "--json")
    assert len({one["command_id"] for one in done.data}) == 1
    rows = connection.execute("SELECT position, event_type FROM audit_events ORDER BY position")
    told = [(event["position"], event["type"]) for one in done.data for event in one["events"]]
    assert told == rows.fetchall()
    assert [len(one["events"]) for one in done.data] == [3, 2]


def test_what_the_tables_refuse_at_the_end_undoes_the_files_before_it(
    cli: CommandLine, folder: Path, connection: psycopg.Connection[Any], database_url: str
) -> None:
    """As a crash would: it is one transaction, and the same command again completes it."""
    (folder / ".env.a").write_text(ACC1)
    (folder / ".env.b").write_text(ACC2)
    connection.execute("ALTER TABLE accounts ADD CONSTRAINT no_b CHECK (account_name <> 'b')")
    with nothing_written(database_url):
        assert cli("import-env", "--dir", str(folder), "--create").exit_status != 0
    connection.execute("ALTER TABLE accounts DROP CONSTRAINT no_b")
    assert cli("import-env", "--dir", str(folder), "--create").exit_status == 0
    assert accounts(cli) == {"a", "b"}


@pytest.mark.parametrize(
    "arguments",
    [[], ["a"], ["a", "--dir", "."], ["--env-file", "x"], ["--dir", "missing-folder"]],
)
def test_what_is_to_be_imported_must_be_clear(cli: CommandLine, arguments: list[str]) -> None:
    assert cli("import-env", *arguments).exit_status == 2


def test_an_empty_folder_is_told(cli: CommandLine, folder: Path) -> None:
    assert "no env file of the folder" in cli("import-env", "--dir", str(folder)).err


def test_one_file_is_imported_and_what_is_kept_is_said(cli: CommandLine) -> None:
    first = cli(
        "import-env", "a", "--env-file", cli.file("one.env", ACC1 + "OTHER=1\n"), "--create"
    )
    assert first.exit_status == 0
    assert "added      aster: api_key, secret_key" in first.out
    assert "ignored    what is no exchange's: OTHER" in first.out
    part = cli.file("part.env", "ASTER_SECRET_KEY=canary-9\nPARADEX_L1_ADDRESS=\n")
    second = cli("import-env", "a", "--env-file", part)
    assert second.exit_status == 0
    assert "not in the file, kept or by default: api_key" in second.out
    assert "skipped    paradex: no real value" in second.out
    assert "canary" not in first.out + second.out + first.err + second.err


# ---------------------------------------------------------------- configuration of other bots

HL_ADDRESS = FIELDS["hyperliquid"]["wallet_address"]
HL_KEY = FIELDS["hyperliquid"]["private_key"]

FREQTRADE = {
    "max_open_trades": 3,
    "exchange": {
        "name": "hyperliquid",
        "walletAddress": HL_ADDRESS,
        "privateKey": HL_KEY,
        "ccxt_config": {},
        "pair_whitelist": ["BTC/USDC"],
    },
}
PASSIVBOT = {
    "referrals": {"bybit": "x"},
    "aster_01": {"exchange": "aster", "key": "ak", "secret": "canary"},
    "hl_01": {
        "exchange": "hyperliquid",
        "wallet_address": HL_ADDRESS,
        "private_key": HL_KEY,
        "is_vault": False,
    },
}
HUMMINGBOT = {
    "connector": "hyperliquid_perpetual",
    "hyperliquid_perpetual_address": HL_ADDRESS,
    "hyperliquid_perpetual_api_secret": HL_KEY,
}


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (FREQTRADE, {"hyperliquid": ["wallet_address", "private_key"]}),
        (
            PASSIVBOT,
            {
                "aster": ["api_key", "secret_key"],
                "hyperliquid": ["wallet_address", "private_key"],
            },
        ),
        (HUMMINGBOT, {"hyperliquid": ["wallet_address", "private_key"]}),
        (
            {"connector": "aster", "credentials": {"api_key": "ak", "api_secret": "canary"}},
            {"aster": ["api_key", "secret_key"]},
        ),
    ],
)
def test_plain_keys_of_other_bots_are_imported(
    cli: CommandLine, config: object, found: object
) -> None:
    path = cli.file("config.json", json.dumps(config))
    result = cli("import-config", "a", "--file", path, "--create", "--json")
    assert result.exit_status == 0
    assert result.data["found"] == found
    assert "canary" not in result.out + result.err
    assert HL_KEY[2:10] not in result.out + result.err


def test_one_entry_of_several_is_chosen(cli: CommandLine) -> None:
    config = {
        "one": {"exchange": "aster", "key": "a1", "secret": "s1"},
        "two": {"exchange": "aster", "key": "a2", "secret": "s2"},
    }
    path = cli.file("api-keys.json", json.dumps(config))
    several = cli("import-config", "a", "--file", path, "--create")
    assert (several.exit_status, "several entries for aster" in several.err) == (2, True)
    assert (
        cli("import-config", "a", "--file", path, "--create", "--entry", "three").exit_status == 2
    )
    assert cli("import-config", "a", "--file", path, "--create", "--entry", "two").exit_status == 0


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("[]", "of no format"),
        ("{}", "of no format"),
        ("no json", "not JSON"),
        ('{"connector": "aster", "aster_api_key": "7b22' + "ab" * 40 + '"}', "encrypted"),
        ('{"connector": "aster", "aster_api_key": "a", "key": "b"}', "twice"),
        ('{"connector": "aster", "nonsense": "b"}', "no field"),
        (
            '{"one": {"exchange": "aster", "key": "7b22' + "ab" * 40 + '"},'
            ' "two": {"exchange": "lighter", "private_key": "7b22' + "ab" * 40 + '"}}',
            "one.key is encrypted by another program (hummingbot); two.private_key is encrypted",
        ),
        ('{"exchange": {"name": "aster", "key": "only"}}', "lacks secret_key"),
        ('{"exchange": {"name": "aster", "key": "", "secret": ""}}', "no field"),
        ('{"exchange": {"name": "aster", "key": "your_key_here", "secret": "x"}}', "placeholder"),
    ],
)
def test_what_is_no_plain_configuration_is_refused(
    cli: CommandLine, config: str, reason: str
) -> None:
    result = cli("import-config", "a", "--file", cli.file("c.json", config), "--create")
    assert result.exit_status == 2
    assert reason in result.err
    assert accounts(cli) == set()


def test_an_exchange_that_is_not_known_is_told(cli: CommandLine) -> None:
    path = cli.file("c.json", '{"exchange": {"name": "binanza", "key": "k", "secret": "s"}}')
    assert cli("import-config", "a", "--file", path, "--create").exit_status == 3


def test_all_exchanges_that_are_not_known_are_told_at_once(cli: CommandLine) -> None:
    config = {name: {"exchange": name, "key": "k"} for name in ("binanza", "krakn", "aster")}
    path = cli.file("c.json", json.dumps(config))
    refused = cli("import-config", "a", "--file", path, "--create", "--json")
    assert refused.exit_status == 3
    assert "no exchange binanza; there is no exchange krakn" in refused.error["message"]


def test_a_file_that_is_not_there_is_told(cli: CommandLine) -> None:
    assert cli("import-config", "a", "--file", "/nowhere.json").exit_status == 2


def test_a_file_of_a_folder_that_is_nearly_complete_is_no_template(
    cli: CommandLine, folder: Path
) -> None:
    files = {
        ".env.a": "BINANCE_API_KEY=key-of-a7\nBINANCE_SECRET_KEY=secret-of-a7\n",
        ".env.b": "BINANCE_API_KEY=key-of-b7\nBINANCE_API_SECRET=secret-of-b7\n",
        ".env.c": "BYBIT_KEY=key-of-c7\nBYBIT_SECRET=secret-of-c7\n",
        ".env.d": "OKX_API_KEY=key-of-d7\nOKX_SECRET_KEY=secret-of-d7\n",
        ".env.e": "GEMINI_API_KEY=of-a-language-model\n",
        ".env.f": "BINANCE_API_KEY=your_key\nBINANCE_SECRET_KEY=your_secret\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    done = cli("import-env", "--dir", str(folder), "--create", "--json")
    assert done.exit_status == 2
    whole = "the file holds no complete credential"
    assert {file["file"]: file["refused"] or file["left_out"] for file in done.data} == {
        ".env.a": None,
        ".env.b": f"{whole} (binance: BINANCE_SECRET_KEY is missing "
        "(BINANCE_API_SECRET looks like it))",
        ".env.c": f"{whole} (bybit: BYBIT_API_KEY is missing; BYBIT_SECRET_KEY is missing "
        "(BYBIT_KEY, BYBIT_SECRET look like it))",
        ".env.d": f"{whole} (okx: OKX_PASSPHRASE is missing)",
        ".env.e": "no complete credential (gemini: GEMINI_SECRET_KEY is missing)",
        ".env.f": "a template: no real value in it",
    }
