"""The verbs that create and change accounts."""

import json
import uuid

import pytest
from support.cli import CommandLine
from support.tables import nothing_written

CHANGING = {"command_id", "changed", "replayed", "dry_run", "events", "notes"}


def test_an_account_is_created_with_all_its_details(cli: CommandLine) -> None:
    created = cli(
        "create-account",
        "main_bot",
        "--wallet-address",
        "0xA1",
        "--description",
        "Primäry",
        "--metadata",
        '{"max_positions": 10}',
        "--actor",
        "ops",
        "--reason",
        "because",
        "--json",
    )
    assert (created.exit_status, created.err) == (0, "")
    assert set(created.data) == CHANGING | {"account", "id"}
    shown = cli("show-account", "main_bot", "--json").data
    assert shown["id"] == created.data["id"]
    assert (shown["wallet_address"], shown["description"]) == ("0xA1", "Primäry")
    assert (shown["metadata"], shown["is_active"], shown["version"]) == (
        {"max_positions": 10},
        True,
        1,
    )
    (event,) = cli("history", "main_bot", "--json").data
    assert (event["actor"], event["reason"]) == ("ops", "because")


def test_an_answer_for_people_is_one_plain_line(cli: CommandLine) -> None:
    assert cli("create-account", "a").out == "Created account a (event 0).\n"
    assert cli("update-account", "a", "--description", "x").out == "Updated account a (event 1).\n"
    assert cli("update-account", "a", "--description", "x").out == (
        "Nothing to change: it is already like this.\n"
    )
    assert cli("rename-account", "a", "b").out == "Renamed account a to b (event 2).\n"
    assert cli("deactivate-account", "b").out == "Deactivated account b (event 3).\n"
    assert cli("reactivate-account", "b").out == "Reactivated account b (event 4).\n"
    assert cli("delete-account", "b", "--yes").out == "Deleted account b (event 5).\n"
    assert cli("list-accounts").err == (
        "There are no accounts. Make one with: account-registry create-account NAME\n"
    )


def test_metadata_can_come_from_a_file(cli: CommandLine) -> None:
    path = cli.file("metadata.json", '{"risk_level": "low"}')
    assert cli("create-account", "a", "--metadata", f"@{path}").exit_status == 0
    assert cli("show-account", "a", "--json").data["metadata"] == {"risk_level": "low"}


def test_an_update_changes_what_is_named_and_nothing_else(cli: CommandLine) -> None:
    cli("create-account", "a", "--description", "x", "--metadata", '{"a": 1}')
    cli("update-account", "a", "--wallet-address", "0xB2")
    shown = cli("show-account", "a", "--json").data
    assert (shown["wallet_address"], shown["description"], shown["metadata"]) == (
        "0xB2",
        "x",
        {"a": 1},
    )


def test_details_are_cleared_by_name(cli: CommandLine) -> None:
    cli("create-account", "a", "--description", "x", "--metadata", '{"a": 1}')
    cleared = cli("update-account", "a", "--clear", "description", "--clear", "metadata")
    assert cleared.exit_status == 0
    shown = cli("show-account", "a", "--json").data
    assert (shown["description"], shown["metadata"]) == (None, {})


def test_a_renamed_account_keeps_its_id_and_history(bot: CommandLine) -> None:
    before = bot("show-account", "bot", "--json").data["id"]
    bot("rename-account", "bot", "other")
    assert bot("show-account", "other", "--json").data["id"] == before
    assert len(bot("history", "bot", "--json").data) == 2
    assert len(bot("history", "other", "--json").data) == 2
    gone = bot("show-account", "bot", "--json")
    assert (gone.exit_status, gone.error["hint"]) == (3, "Use other.")


def test_a_deleted_account_keeps_its_history_and_frees_its_name(bot: CommandLine) -> None:
    first = bot("show-account", "bot", "--json").data["id"]
    bot("delete-account", "bot", "--yes", "--actor", "ops")
    gone = bot("show-account", "bot", "--json")
    assert gone.exit_status == 3
    assert "account bot was deleted on" in gone.error["message"]
    assert "by ops (event 1)" in gone.error["message"]
    assert [e["event_type"] for e in bot("history", "bot", "--json").data] == [
        "AccountCreated",
        "AccountDeleted",
    ]
    again = bot("create-account", "bot", "--json")
    assert again.data["id"] != first


def test_deleting_asks_first_where_nobody_can_answer(bot: CommandLine, database_url: str) -> None:
    with nothing_written(database_url):
        refused = bot("delete-account", "bot")
    assert refused.exit_status == 5
    assert refused.err == (
        "Error: this needs a confirmation, and there is no terminal to ask on\n"
        "  Add --yes if it is meant.\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("create-account", "new"),
        ("update-account", "bot", "--description", "x"),
        ("rename-account", "bot", "new"),
        ("deactivate-account", "bot"),
        ("delete-account", "bot"),
    ],
)
def test_a_dry_run_says_what_would_happen_and_changes_nothing(
    bot: CommandLine, database_url: str, arguments: tuple[str, ...]
) -> None:
    with nothing_written(database_url):
        text = bot(*arguments, "--dry-run")
        data = bot(*arguments, "--dry-run", "--json").data
    assert text.exit_status == 0
    assert text.out.startswith("Would have ")
    assert "(dry run, nothing was changed)" in text.out
    assert (data["dry_run"], data["changed"]) == (True, False)
    assert [event["position"] for event in data["events"]] == [None]


def test_the_same_command_id_applies_a_change_once(bot: CommandLine, database_url: str) -> None:
    command_id = str(uuid.uuid4())
    arguments = ("update-account", "bot", "--description", "x", "--command-id", command_id)
    first = bot(*arguments, "--json").data
    with nothing_written(database_url):
        again = bot(*arguments, "--json").data
        assert "the command was applied before" in bot(*arguments).out
        other = bot("deactivate-account", "bot", "--command-id", command_id, "--json")
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert again["events"] == first["events"]
    assert first["command_id"] == command_id
    assert (other.exit_status, other.error["code"]) == (4, "command_id_reused")


def test_an_expected_version_guards_against_changes_in_between(
    bot: CommandLine, database_url: str
) -> None:
    bot("update-account", "bot", "--description", "x", "--expected-version", "1")
    with nothing_written(database_url):
        stale = bot("deactivate-account", "bot", "--expected-version", "1", "--json")
    assert (stale.exit_status, stale.error["code"]) == (4, "stale_version")
    assert stale.error["message"] == "the account is at version 2, not 1"


def test_accounts_are_listed_by_name_with_what_they_hold(cli: CommandLine) -> None:
    for name in ("b", "a"):
        cli("create-account", name)
    cli("deactivate-account", "b")
    listed = cli("list-accounts", "--json").data
    assert [(a["account_name"], a["is_active"], a["credentials"]) for a in listed] == [
        ("a", True, 0),
        ("b", False, 0),
    ]
    assert set(listed[0]) == {
        "id",
        "account_name",
        "wallet_address",
        "description",
        "is_active",
        "created_at",
        "updated_at",
        "metadata",
        "credentials",
        "version",
        "stop",
    }
    assert listed[0]["created_at"].endswith("Z")
    text = cli("list-accounts").out
    assert [line.split("\t")[:2] for line in text.splitlines()] == [
        ["account", "active"],
        ["a", "yes"],
        ["b", "no"],
    ]


def test_every_json_answer_is_one_line_with_its_verb(bot: CommandLine) -> None:
    lists = ("list-accounts", "list-credentials", "history", "exchanges")
    for verb in (*lists, "doctor"):
        answer = bot(verb, "--json")
        assert answer.out.count("\n") == 1
        document = json.loads(answer.out)
        assert set(document) == {"verb", "data"} | ({"cut"} if verb in lists else set())
        assert document["verb"] == verb


def test_an_error_in_json_has_one_shape_and_leaves_standard_output_empty(cli: CommandLine) -> None:
    refused = cli("show-account", "nobody", "--json")
    assert refused.out == ""
    assert json.loads(refused.err) == {
        "verb": "show-account",
        "error": {
            "code": "account_not_found",
            "message": "there is no account nobody",
            "hint": "See: account-registry list-accounts",
            "exit_status": 3,
        },
    }


def test_a_name_that_was_mistyped_is_answered_with_the_one_that_was_meant(cli: CommandLine) -> None:
    """Pain 8: a name in other case is another name, and the error says which one there is."""
    cli("create-account", "main_bot")
    for typed in ("Main_Bot", "main_bto"):
        refused = cli("show-account", typed)
        assert refused.exit_status == 3
        assert "Did you mean main_bot?" in refused.err


def test_an_account_that_was_created_is_listed(cli: CommandLine) -> None:
    created = cli("create-account", "main_bot", "--metadata", '{"max_positions": 10}', "--json")
    assert created.exit_status == 0
    assert created.data["events"] == [{"type": "AccountCreated", "position": 0}]
    listed = cli("list-accounts", "--json").data
    assert [(a["account_name"], a["metadata"]) for a in listed] == [
        ("main_bot", {"max_positions": 10})
    ]


def test_a_name_that_is_taken_is_a_conflict_and_changes_nothing(cli: CommandLine) -> None:
    cli("create-account", "main_bot")
    again = cli("create-account", "main_bot", "--json")
    assert (again.exit_status, again.error["code"]) == (4, "account_exists")
    assert len(cli("history", "--json").data) == 1
