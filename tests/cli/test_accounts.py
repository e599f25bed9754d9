"""The verbs that change accounts."""

from support.cli import CommandLine


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
