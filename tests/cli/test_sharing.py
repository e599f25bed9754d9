"""The verbs `share`, `unshare`, `list-shares` and `resolve`."""

import pytest
from support.cli import CommandLine
from support.running import borrowing_bot


@pytest.fixture
def bot(cli: CommandLine) -> CommandLine:
    return borrowing_bot(cli)


def test_the_verbs_of_sharing_speak_to_people_and_to_programs(bot: CommandLine) -> None:
    assert bot("list-shares", "--json").data[0]["lender"] == "lender"
    assert "lender" in bot("list-shares", "bot").out
    told = "No share fits exchange aster. There is 1 share in all.\n"
    assert bot("list-shares", "--exchange", "aster").err == told
    assert bot("list-shares", "--type", "full", "--json").data
    assert bot("list-shares", "--type", "read_only", "--json").data == []
    resolved = bot("resolve", "bot", "backpack", "--json").data
    assert (resolved[0]["holder"], resolved[0]["source"]) == ("lender", "shared")
    text = bot("resolve", "bot").out
    assert "bot has none of its own; lender shares its full key, version 1 (full)" in text
    assert "bot has its own full key, version 1" in text
    assert bot("resolve", "nobody").exit_status == 3
    assert bot("resolve", "bot", "paradex").exit_status == 3
    bot("create-account", "empty")
    assert "has no credentials" in bot("resolve", "empty").out
    assert bot("unshare", "bot", "backpack").exit_status == 0
    assert bot("unshare", "bot", "backpack").exit_status == 3


def test_what_cannot_be_used_is_shown_with_what_to_do(bot: CommandLine) -> None:
    bot("share", "bot", "lender", "backpack", "--type", "read_only")
    shown = bot("resolve", "bot").out
    assert "\n  Make a read-only key at the exchange and add it with:" in shown


def test_each_way_to_store_a_key_that_is_lent_needs_cascade(bot: CommandLine) -> None:
    env_file = bot.file("new.env", "BACKPACK_PUBLIC_KEY=pub-2\nBACKPACK_SECRET_KEY=sec-2\n")
    from_json = ("lender", "backpack", "--from-json", "-")
    for verb, effect in (
        (("replace-credential", *from_json), "gets another key"),
        (("add-credential", *from_json, "--subaccount", "1"), "must say which subaccount"),
        (("import-env", "lender", "--env-file", env_file), "gets another key"),
    ):
        refused = bot(*verb, stdin='{"public_key": "pub-3", "secret_key": "sec-3"}')
        assert refused.exit_status == 5
        assert f"bot borrows backpack from lender (full) and {effect}" in refused.err
        assert "--cascade" in refused.err
    done = bot(*verb, "--cascade")
    assert done.exit_status == 0
    assert "Note: bot borrows backpack from lender (full) and gets another key" in done.err


def test_cascade_says_who_is_affected(bot: CommandLine) -> None:
    refused = bot("deactivate-account", "lender", "--json")
    assert (refused.exit_status, refused.error["code"]) == (5, "account_in_use")
    assert "bot borrows backpack from lender (full)" in refused.error["message"]
    shown = bot("remove-credential", "lender", "backpack", "--yes", "--cascade", "--dry-run")
    assert "Note: ended with it: bot borrows backpack" in shown.err
    assert bot("list-shares", "--json").data != []
