"""The verb `adopt`, and a complete adoption in three commands."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.cli import CommandLine
from support.legacy import LegacyDatabase, fill_well

from registry.encryption.keyring import generate_master_key


@pytest.fixture
def bot(empty_database: str) -> Iterator[LegacyDatabase]:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        yield LegacyDatabase(connection).make()


@pytest.fixture
def cli(
    empty_database: str, bot: LegacyDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    cli = CommandLine(empty_database, tmp_path, monkeypatch)
    cli.environment["CREDENTIAL_ENCRYPTION_KEY"] = bot.key
    return cli


def test_three_commands_move_a_bot_in(cli: CommandLine, bot: LegacyDatabase) -> None:
    fill_well(bot)
    assert cli("migrate", "up").exit_status == 0
    dry = cli("adopt", "--dry-run")
    assert dry.exit_status == 0
    assert "Would adopt 4 of accounts, 4 of account_exchange_credentials" in dry.out
    assert "Nothing was changed (dry run)." in dry.out
    done = cli("adopt", "--reason", "moving in")
    assert done.exit_status == 0
    assert "Adopted 4 of accounts" in done.out
    assert cli("rebuild", "--check").exit_status == 0
    # Without a terminal the width of a table is that of COLUMNS.
    shown = cli("history", COLUMNS="300").out
    assert "adopted the legacy tables: 4 accounts" in shown
    assert "adopted account main_bot" in shown
    assert cli("verify").exit_status == 0


def test_before_it_is_adopted_everybody_is_told_to_adopt(
    cli: CommandLine, bot: LegacyDatabase
) -> None:
    fill_well(bot)
    cli("migrate", "up")
    for command in (
        ("run", "--account", "main_bot", "--", "true"),
        ("resolve", "main_bot", "aster"),
        ("reveal-credential", "main_bot", "aster", "--field", "api_key", "--yes"),
    ):
        done = cli(*command)
        assert "not taken it in yet" in done.err + done.out or "taken it in" in done.out, command
        assert "destroyed" not in done.err + done.out
    assert (
        "account-registry adopt --dry-run" in cli("run", "--account", "main_bot", "--", "true").err
    )


def test_a_note_says_what_each_share_gives_from_now_on(
    cli: CommandLine, bot: LegacyDatabase
) -> None:
    fill_well(bot)
    cli("migrate", "up")
    for verb in (("adopt", "--dry-run"), ("adopt",)):
        told = cli(*verb).out
        assert (
            "'main_bot' borrows backpack from 'shared_backpack': bots of main_bot get the full "
            "key of shared_backpack from now on" in told
        )
        # `empty` allows lighter only.
        assert "nothing is given by it: allowed_exchanges of empty or shared_backpack" in told
        assert "accounts empty: may not use backpack, which its allowed_exchanges" in told


def test_a_note_says_which_share_cannot_work(cli: CommandLine, bot: LegacyDatabase) -> None:
    borrower, lender, stopped = map(bot.account, ("borrower", "lender", "stopped"))
    for account, active in ((lender, True), (stopped, False)):
        token = bot.token("value-of-this-key")
        bot.credential(account, "aster", api_key=token, secret_key=token, is_active=active)
    bot.share(borrower, lender, "aster", sharing_type="read_only")
    bot.share(lender, stopped, "backpack")
    other = bot.account("other")
    bot.share(other, stopped, "aster")
    cli("migrate", "up")
    told = cli("adopt", "--dry-run", "--accept-proposals").out
    assert "lender has a full key only, which no read_only share gives" in told
    assert "'other' borrows aster from 'stopped': nothing is given by it: the lender's" in told


def test_adopting_again_says_that_there_is_nothing(cli: CommandLine, bot: LegacyDatabase) -> None:
    fill_well(bot)
    cli("migrate", "up")
    cli("adopt")
    again = cli("adopt")
    assert (again.exit_status, again.out) == (
        0,
        "There is nothing to adopt: every row is in the log.\n",
    )


def test_what_is_undecided_is_listed_with_a_proposal_and_nothing_happens(
    cli: CommandLine, bot: LegacyDatabase
) -> None:
    account = bot.account(" padded")
    cli("migrate", "up")
    result = cli("adopt", "--dry-run")
    assert result.exit_status == 5
    assert f"accounts {account} (' padded')" in result.out
    assert "proposed: rename: padded" in result.out
    assert "Nothing was changed: 1 problem to decide about." in result.err
    assert cli("adopt").exit_status == 5
    assert cli("adopt", "--json").data["undecided"][0]["proposal"]["value"] == "padded"


def test_adopting_without_decisions_counts_what_the_dry_run_lists(
    cli: CommandLine, bot: LegacyDatabase
) -> None:
    for name in (" one", " two"):
        bot.account(name)
    cli("migrate", "up")
    result = cli("adopt")
    assert (result.exit_status, result.out) == (5, "undecided accounts: 2 of name\n")
    assert "See each, with a proposal: account-registry adopt --dry-run." in result.err
    assert "--write-decisions" in result.err


def test_a_comparison_before_adopting_says_that_the_rows_are_no_damage(
    cli: CommandLine, bot: LegacyDatabase
) -> None:
    fill_well(bot)
    cli("migrate", "up")
    result = cli("rebuild", "--check")
    assert result.exit_status == 6
    assert "Take them in: account-registry adopt --dry-run" in result.out
    assert cli("rebuild", "--check", "--json").data["adoption_pending"]
    assert "take them in with adopt" in cli("verify", "--without-keys").out
    cli("adopt")
    assert "adopt" not in cli("rebuild", "--check").out


def test_decisions_are_written_edited_and_given_back(
    cli: CommandLine, bot: LegacyDatabase, tmp_path: Path
) -> None:
    account = bot.account(" padded", metadata=["x"])
    cli("migrate", "up")
    path = tmp_path / "decisions.json"
    assert cli("adopt", "--dry-run", "--write-decisions", str(path)).exit_status == 5
    entries = json.loads(path.read_text())
    assert [(entry["problem"], entry["decision"]) for entry in entries] == [
        ("name", "rename"),
        ("metadata", "wrap"),
    ]
    entries[0]["value"] = "chosen"
    path.write_text(json.dumps(entries))
    assert cli("adopt", "--decisions", str(path)).exit_status == 0
    row = bot.connection.execute("SELECT id, account_name, metadata FROM accounts").fetchone()
    assert row == (account, "chosen", {"legacy": ["x"]})


def test_a_file_of_decisions_is_not_overwritten(
    cli: CommandLine, bot: LegacyDatabase, tmp_path: Path
) -> None:
    bot.account(" padded")
    cli("migrate", "up")
    path = tmp_path / "decisions.json"
    path.write_text("mine")
    assert cli("adopt", "--dry-run", "--write-decisions", str(path)).exit_status == 2
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "not a list"),
        ("[1]", "entry 1"),
        ("nonsense", "not JSON"),
        (
            '[{"table": "a", "id": "b", "problem": "c", "decision": "d"},'
            ' {"table": "a", "id": "b", "problem": "c", "decision": "e"}]',
            "decides twice",
        ),
    ],
)
def test_a_file_that_is_no_list_of_decisions_is_refused(
    cli: CommandLine, bot: LegacyDatabase, text: str, reason: str
) -> None:
    fill_well(bot)
    cli("migrate", "up")
    result = cli("adopt", "--decisions", cli.file("decisions.json", text))
    assert result.exit_status == 2
    assert reason in result.err


def test_more_keys_are_taken_from_a_variable(cli: CommandLine, bot: LegacyDatabase) -> None:
    other = generate_master_key().reveal()
    bot.credential(bot.account("a"), "aster", api_key=bot.token("key-of-a", other))
    cli("migrate", "up")
    assert cli("adopt").exit_status == 5
    missing = cli("adopt", "--legacy-key-env", "OLD_KEY")
    assert missing.exit_status == 7
    assert "OLD_KEY is not set" in missing.err
    assert cli("adopt", "--legacy-key-env", "OLD_KEY", OLD_KEY=other).exit_status == 0


def test_no_plain_secret_is_shown(cli: CommandLine, bot: LegacyDatabase) -> None:
    account = bot.account("a")
    bot.credential(account, "aster", api_key="canary-plain", secret_key=bot.token("canary-sealed"))
    bot.credential(account, "lighter", additional=["canary-listed"])
    cli("migrate", "up")
    outputs = [
        cli("adopt"),
        cli("adopt", "--json"),
        cli("adopt", "--accept-proposals"),
        cli("history", "--json"),
    ]
    for output in outputs:
        assert "canary" not in output.out + output.err


def test_a_database_that_cannot_be_taken_over_is_told_by_migrate(
    cli: CommandLine, bot: LegacyDatabase
) -> None:
    bot.connection.execute("ALTER TABLE accounts ADD COLUMN owner TEXT NOT NULL")
    result = cli("migrate", "up")
    assert result.exit_status == 5
    assert "accounts.owner is a column of your own" in result.err


def test_doctor_tells_that_rows_wait(cli: CommandLine, bot: LegacyDatabase) -> None:
    fill_well(bot)
    cli("migrate", "up")
    assert "warning  legacy rows" in cli("doctor").out
    cli("adopt")
    assert "legacy rows" not in cli("doctor").out
