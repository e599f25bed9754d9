"""The verb `import-env`: one file, all of it or nothing."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.credentials import ENV_FILE, FIELDS
from support.opened import opened
from support.tables import nothing_written


def test_an_account_and_its_credentials_come_from_one_file(
    cli: CommandLine, database_url: str
) -> None:
    path = cli.file("bot.env", ENV_FILE + "LOG_LEVEL=info\n")
    Path(path).chmod(0o600)
    done = cli("import-env", "bot", "--env-file", path, "--create", "--json")
    assert (done.exit_status, done.err) == (0, "")
    assert list(done.data["found"]) == ["backpack", "lighter", "paradex"]
    assert done.data["other_variables"] == ["LOG_LEVEL"]
    assert [event["type"] for event in done.data["events"]] == [
        "AccountCreated",
        *["CredentialAdded"] * 3,
    ]
    stored = opened(database_url, cli.master_key)
    assert stored["bot", "lighter", "full"] == FIELDS["lighter"]
    assert stored["bot", "backpack", "full"] == FIELDS["backpack"]
    assert stored["bot", "paradex", "full"]["environment"] == "prod"
    shown = cli("show-account", "bot", "--json").data
    assert shown["wallet_address"] == FIELDS["paradex"]["l1_address"]
    assert [c["subaccount_index"] for c in shown["credentials"]] == [None, None, None]


def test_a_file_of_secrets_that_other_users_can_read_is_named_when_it_was_read(
    cli: CommandLine,
) -> None:
    folder = cli.folder / "some of"
    folder.mkdir()
    env, other, keys = folder / "a.env", folder / "b.env", folder / "keys.json"
    env.write_text(ENV_FILE)
    other.write_text("ASTER_API_KEY=key-7a6b\nASTER_SECRET_KEY=secret-5c4d\n")
    keys.write_text('{"public_key": "bp-1a2b", "secret_key": "bp-3c4d"}')
    replace = ("replace-credential", "a", "backpack", "--from-json", str(keys))
    for words, named in (
        (("import-env", "a", "--env-file", str(env), "--create"), [env]),
        (("import-env", "--dir", str(folder), "--create"), [env, other]),
        (replace, [keys]),
    ):
        for mode in (0o644, 0o604, 0o600, 0o640):
            for file in (env, other, keys):
                file.chmod(mode)
            done = cli(*words)
            assert done.exit_status == 0, done.err
            notes = [line for line in done.err.splitlines() if line.startswith("Note: other")]
            quoted = " ".join(f"'{file}'" for file in named)
            wanted = [f"Note: other users can read this. Close it: chmod 600 {quoted}"]
            assert notes == (wanted if mode & 0o004 else [])


def test_a_credential_that_was_stored_without_a_subaccount_is_the_one_that_a_file_replaces(
    cli: CommandLine, database_url: str
) -> None:
    cli("create-account", "bot")
    cli.store("bot", "backpack")
    path = cli.file("bot.env", "BACKPACK_SECRET_KEY=another-secret\n")
    done = cli("import-env", "bot", "--env-file", path, "--json")
    assert [event["type"] for event in done.data["events"]] == ["CredentialReplaced"]
    stored = opened(database_url, cli.master_key)
    assert stored["bot", "backpack", "full"] == {
        **FIELDS["backpack"],
        "secret_key": "another-secret",
    }


def test_what_was_found_skipped_and_ignored_is_said(cli: CommandLine) -> None:
    """Pain 2: what was left out must be said."""
    text = (
        ENV_FILE + "ASTER_API_KEY=\nASTER_SECRET_KEY=your_aster_secret_key_here\nLOG_LEVEL=info\n"
    )
    path = cli.file("bot.env", text)
    assert cli("import-env", "bot", "--env-file", path, "--create").out == (
        f"Imported 3 credentials into bot from {path} (events 0, 1, 2, 3).\n"
        "  added      backpack: public_key, secret_key\n"
        "  added      lighter: private_key, account_index, api_key_index\n"
        "  added      paradex: l1_address, l2_private_key_hex "
        "(not in the file, kept or by default: l2_address, environment)\n"
        "  skipped    aster: no real value in ASTER_API_KEY, ASTER_SECRET_KEY\n"
        "  ignored    what is no exchange's: LOG_LEVEL\n"
    )


def test_only_the_named_file_is_read(
    cli: CommandLine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pain 1: a loaded `.env` of another account must not give this one its keys."""
    cli.file(".env", "ASTER_API_KEY=wrong7\nASTER_SECRET_KEY=wrong8\nLIGHTER_API_KEY_INDEX=9\n")
    monkeypatch.chdir(cli.folder)
    path = cli.file("bot.env", "API_KEY_PRIVATE_KEY=right7\nLIGHTER_ACCOUNT_INDEX=7\n")
    done = cli(
        *("import-env", "bot", "--env-file", path, "--create"),
        ASTER_API_KEY="wrong7",
        ASTER_SECRET_KEY="wrong8",
        LIGHTER_ACCOUNT_INDEX="9",
    )
    assert done.exit_status == 0
    assert opened(database_url, cli.master_key) == {
        ("bot", "lighter", "full"): {
            "private_key": "right7",
            "account_index": "7",
            "api_key_index": "0",
        }
    }


def test_a_missing_file_falls_back_to_nothing(
    cli: CommandLine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pain 1: a missing env file must not fall back to `.env`."""
    cli.file(".env", ENV_FILE)
    monkeypatch.chdir(cli.folder)
    with nothing_written(database_url):
        refused = cli("import-env", "bot", "--env-file", "bot.env", "--create", "--json")
    assert (refused.exit_status, refused.error["message"]) == (
        2,
        "cannot read bot.env: No such file or directory",
    )


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", "nothing_to_import", "the file holds no complete credential"),
        ("LOG_LEVEL=info\n", "nothing_to_import", "the file holds no complete credential"),
        (
            ENV_FILE + "ASTER_API_KEY=half7\n",
            "invalid_credential",
            "incomplete credentials: aster: ASTER_SECRET_KEY is missing",
        ),
        (
            ENV_FILE + "ASTER_API_KEY=k7\nASTER_SECRET_KEY=your_aster_secret_here\n",
            "invalid_credential",
            "ASTER_SECRET_KEY is a placeholder",
        ),
        (
            ENV_FILE.replace("=3", "=three"),
            "invalid_credential",
            "the field api_key_index of lighter must be a whole number",
        ),
        (ENV_FILE + "what is this\n", "invalid_input", "is not NAME=VALUE"),
        (
            "PARADEX_L1_ADDRESS=your_wallet_here\nPARADEX_L2_PRIVATE_KEY=0xb0b\n",
            "invalid_credential",
            "PARADEX_L1_ADDRESS is a placeholder",
        ),
    ],
)
def test_an_incomplete_file_imports_nothing_and_makes_no_account(
    cli: CommandLine, database_url: str, text: str, code: str, message: str
) -> None:
    """Pains 2 and 3: all or nothing, and no placeholder as a key or a wallet's address."""
    path = cli.file("bot.env", text)
    with nothing_written(database_url):
        refused = cli("import-env", "bot", "--env-file", path, "--create", "--json")
    assert (refused.exit_status, refused.error["code"]) == (2, code)
    assert message in refused.error["message"]


def test_importing_again_changes_what_differs_and_keeps_the_rest(
    cli: CommandLine, database_url: str
) -> None:
    """Pain 4: importing again with fewer fields must not lose the others."""
    cli("import-env", "bot", "--env-file", cli.file("bot.env", ENV_FILE), "--create")
    with nothing_written(database_url):
        same = cli("import-env", "bot", "--env-file", cli.file("bot.env", ENV_FILE), "--json")
    assert (same.exit_status, same.data["changed"]) == (0, False)
    less = cli.file("less.env", "BACKPACK_SECRET_KEY=new7\n")
    done = cli("import-env", "bot", "--env-file", less, "--json")
    assert [event["type"] for event in done.data["events"]] == ["CredentialReplaced"]
    assert done.data["not_in_file"] == {"backpack": ["public_key"]}
    stored = opened(database_url, cli.master_key)
    assert stored["bot", "backpack", "full"] == {**FIELDS["backpack"], "secret_key": "new7"}
    assert stored["bot", "lighter", "full"] == FIELDS["lighter"]


def test_importing_onto_an_inactive_account_or_credential_is_refused(
    cli: CommandLine, database_url: str
) -> None:
    """Pain 4: importing onto an inactive account must not say that it was updated."""
    path = cli.file("bot.env", ENV_FILE.replace("0x0badc0de5", "0x0badc0de6"))
    cli("import-env", "bot", "--env-file", cli.file("first.env", ENV_FILE), "--create")
    cli("deactivate-credential", "bot", "paradex")
    with nothing_written(database_url):
        refused = cli("import-env", "bot", "--env-file", path, "--json")
    assert (refused.exit_status, refused.error["code"]) == (5, "credential_inactive")
    cli("deactivate-account", "bot")
    with nothing_written(database_url):
        refused = cli("import-env", "bot", "--env-file", path, "--create", "--json")
    assert (refused.exit_status, refused.error["code"]) == (5, "account_inactive")


def test_an_account_is_made_only_where_that_is_asked(cli: CommandLine, database_url: str) -> None:
    path = cli.file("bot.env", ENV_FILE)
    with nothing_written(database_url):
        refused = cli("import-env", "bot", "--env-file", path, "--json")
    assert (refused.exit_status, refused.error["code"]) == (3, "account_not_found")


def test_a_key_that_only_reads_is_never_replaced_by_the_full_one(
    bot: CommandLine, database_url: str
) -> None:
    options = ("--subaccount", "0", "--permission", "read_only")
    bot.store("bot", "aster", *options, api_key="reader7")
    path = bot.file("bot.env", "ASTER_API_KEY=full7\nASTER_SECRET_KEY=full8\n")
    done = bot("import-env", "bot", "--env-file", path, "--json")
    assert [event["type"] for event in done.data["events"]] == ["CredentialAdded"]
    stored = opened(database_url, bot.master_key)
    assert stored["bot", "aster", "read_only"]["api_key"] == "reader7"
    assert stored["bot", "aster", "full"]["api_key"] == "full7"


@pytest.mark.parametrize("pattern", [".env.*", "*.env", "."])
def test_a_pattern_is_no_file(
    cli: CommandLine, database_url: str, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    """Pain 6: a file pattern must not make accounts `backup` and `example`."""
    for name in (".env.backup", ".env.example", "a.env"):
        cli.file(name, ENV_FILE)
    monkeypatch.chdir(cli.folder)
    with nothing_written(database_url):
        assert cli("import-env", "bot", "--env-file", pattern, "--create").exit_status == 2


def test_several_files_are_refused(cli: CommandLine, database_url: str) -> None:
    """Pain 6: what a shell makes of a pattern must not be taken for accounts."""
    path = cli.file("a.env", ENV_FILE)
    with nothing_written(database_url):
        assert cli("import-env", "bot", path, path, "--create").exit_status == 2


def test_a_dry_run_imports_nothing(cli: CommandLine, database_url: str) -> None:
    path = cli.file("bot.env", ENV_FILE)
    with nothing_written(database_url):
        done = cli("import-env", "bot", "--env-file", path, "--create", "--dry-run")
    assert done.exit_status == 0
    assert done.out.startswith("Would have imported 3 credentials into bot")


def test_no_wrong_field_is_filled_in_from_the_environment(
    cli: CommandLine, database_url: str, connection: psycopg.Connection[Any]
) -> None:
    """Pain 16: a missing field must not come from the environment's key of another account."""
    path = cli.file("bot.env", "ASTER_API_KEY=mine7\n")
    with nothing_written(database_url):
        refused = cli(
            *("import-env", "bot", "--env-file", path, "--create"), ASTER_SECRET_KEY="another7"
        )
    assert refused.exit_status == 2
    cli("create-account", "bot")
    refused = cli(
        *("add-credential", "bot", "aster", "--from-json", "-"),
        stdin='{"api_key": "mine7"}',
        ASTER_SECRET_KEY="another7",
    )
    assert refused.exit_status == 2
    rows = connection.execute("SELECT count(*) FROM account_exchange_credentials")
    assert rows.fetchone() == (0,)
