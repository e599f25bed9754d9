"""The verb `history`."""

import datetime as dt
import json
import re

import pytest
from freezegun import freeze_time
from support.cli import CommandLine
from support.credentials import FIELDS


@pytest.fixture
def five_days(cli: CommandLine) -> CommandLine:
    """A registry with a history of five days."""
    steps: list[tuple[str, ...]] = [
        ("create-account", "bot", "--actor", "ops", "--reason", "first"),
        ("create-account", "other"),
        ("update-account", "bot", "--description", "x"),
    ]
    with freeze_time(dt.datetime(2030, 1, 1, tzinfo=dt.UTC)) as clock:
        for step in steps:
            assert cli(*step).exit_status == 0
            clock.tick(dt.timedelta(days=1))
        cli.store("bot", "aster", "--label", "main")
        clock.tick(dt.timedelta(days=1))
        cli("update-credential", "bot", "aster", "--label", "new")
    return cli


@pytest.mark.parametrize(
    ("options", "positions"),
    [
        ((), [0, 1, 2, 3, 4]),
        (("bot",), [0, 2, 3, 4]),
        (("--exchange", "aster"), [3, 4]),
        (("--exchange", "paradex"), []),
        (("--type", "AccountCreated"), [0, 1]),
        (("--limit", "2"), [3, 4]),
        (("bot", "--limit", "1"), [4]),
    ],
)
def test_the_history_shows_what_was_asked_for(
    five_days: CommandLine, options: tuple[str, ...], positions: list[int]
) -> None:
    events = five_days("history", *options, "--json").data
    assert [event["position"] for event in events] == positions


def test_since_and_until_go_by_the_clock_of_the_database(five_days: CommandLine) -> None:
    recorded = [event["recorded_at"] for event in five_days("history", "--json").data]

    def shown(*options: str) -> list[int]:
        return [event["position"] for event in five_days("history", *options, "--json").data]

    assert shown("--since", recorded[2]) == [2, 3, 4]
    assert shown("--until", recorded[2]) == [0, 1]
    assert shown("--since", recorded[1], "--until", recorded[3]) == [1, 2]


def test_the_history_says_who_did_what_when_and_why(five_days: CommandLine) -> None:
    shown = " ".join(five_days("history", COLUMNS="200").out.split())
    for words in (
        "(claimed 2030-01-01 00:00:00Z) ops as postgres bot created account bot first",
        "changed description",
        "added aster version 1: api_key#",
        "changed aster, label: 'main' → 'new'",
    ):
        assert words in shown
    first = five_days("history", "--json").data[0]
    assert set(first) == {
        "account_name",
        "related_account_name",
        "previous",
        "position",
        "stream_type",
        "stream_id",
        "stream_version",
        "event_type",
        "data",
        "actor",
        "reason",
        "command_id",
        "related_account_id",
        "occurred_at",
        "recorded_at",
        "recorded_by",
    }
    refused = five_days("history", "--type", "AcountCreated", "--json")
    assert refused.exit_status == 2
    assert "AccountCreated" in refused.error["hint"]


def test_the_history_never_shows_a_token(five_days: CommandLine) -> None:
    assert "gAAAA" not in five_days("history", "--json").out
    assert all("tokens" not in event["data"] for event in five_days("history", "--json").data)


def told(cli: CommandLine, *options: str) -> list[str]:
    """What the newest events did, in words."""
    return [line.split("\t")[4] for line in cli("history", *options).out.splitlines()[1:]]


def test_a_history_that_is_cut_says_so_and_how_to_see_more(five_days: CommandLine) -> None:
    whole, cut = five_days("history", "--limit", "5"), five_days("history", "--limit", "4")
    assert "older" not in whole.out + whole.err
    assert cut.err == "There are older events. For more: --limit N, or --until TIME.\n"
    as_json = five_days("history", "--limit", "4", "--json")
    assert [event["position"] for event in as_json.data] == [1, 2, 3, 4]
    assert (as_json.err, json.loads(as_json.out)["cut"]) == (cut.err, True)
    lines = five_days("history", "--limit", "4", "--ndjson")
    assert (len(lines.out.splitlines()), "There may be older events" in lines.err) == (4, True)
    assert five_days("history", "--ndjson").err == ""


def test_subaccounts_and_permissions_can_be_asked_for(bot: CommandLine) -> None:
    bot.store("bot", "aster", "--subaccount", "0")
    other = '{"api_key": "another-key", "secret_key": "another-secret"}'
    reading = '{"api_key": "reading-key", "secret_key": "reading-secret"}'
    bot("add-credential", "bot", "aster", "--from-json", "-", "--subaccount", "3", stdin=other)
    only_reads = ("--permission", "read_only", "--subaccount", "3")
    bot("add-credential", "bot", "aster", "--from-json", "-", *only_reads, stdin=reading)

    def shown(*options: str) -> list[int]:
        return [event["position"] for event in bot("history", "bot", *options, "--json").data]

    assert shown("--subaccount", "0") == [1]
    assert shown("--subaccount", "3") == [2, 3]
    assert shown("--permission", "read_only") == [3]
    assert shown("--subaccount", "3", "--permission", "full") == [2]
    assert bot("history", "--subaccount", "-1").exit_status == 2


def test_a_change_of_a_detail_is_told_as_old_and_new(bot: CommandLine) -> None:
    bot("update-account", "bot", "--metadata", '{"max_positions": 3, "desk": "a"}')
    bot("update-account", "bot", "--metadata", '{"max_positions": 5, "note": "x"}')
    bot("update-account", "bot", "--description", "new")
    bot("update-account", "bot", "--clear", "description")
    assert told(bot, "--limit", "4") == [
        "changed metadata.desk: nothing → 'a', metadata.max_positions: nothing → 3",
        "changed metadata.note: nothing → 'x', metadata.max_positions: 3 → 5, "
        "metadata.desk: 'a' → nothing",
        "changed description: nothing → 'new'",
        "changed description: 'new' → nothing",
    ]
    previous = bot("history", "--limit", "3", "--json").data[0]["previous"]
    assert previous == {"metadata": {"max_positions": 3, "desk": "a"}}


def test_a_replacement_tells_the_fields_that_changed_and_no_others(bot: CommandLine) -> None:
    bot.store("bot", "aster", "--expires-at", "2030-01-31")
    key = FIELDS["aster"]["api_key"]
    other = f'{{"api_key": "{key}", "secret_key": "another-secret"}}'
    bot("replace-credential", "bot", "aster", "--from-json", "-", stdin=other)
    bot("update-credential", "bot", "aster", "--label", "desk")
    bot("update-credential", "bot", "aster", "--label", "other")
    replaced, *labels = told(bot, "--limit", "3")
    assert re.fullmatch(
        r"replaced aster version 2: secret_key#[0-9a-f]{8}, "
        r"expires_at: '2030-01-31T00:00:00Z' → nothing",
        replaced,
    )
    assert labels == [
        "changed aster, label: nothing → 'desk'",
        "changed aster, label: 'desk' → 'other'",
    ]


def test_a_changed_share_is_told_as_it_is_and_as_it_was(bot: CommandLine) -> None:
    bot("create-account", "lender")
    bot.store("lender", "aster")
    for kind in ("read_only", "positions_only", "full"):
        assert bot("share", "bot", "lender", "aster", "--type", kind).exit_status == 0
    assert told(bot, "--limit", "3") == [
        "may use aster of lender (read_only)",
        "may now use aster of lender (positions_only), before aster of lender (read_only)",
        "may now use aster of lender (full), before aster of lender (positions_only)",
    ]


def test_ids_are_shown_where_they_are_asked_for(bot: CommandLine) -> None:
    bot.store("bot", "aster")
    (credential,) = bot("list-credentials", "--json").data
    wide = (bot("history", "--wide", COLUMNS="1000").out, bot("list-credentials", "--wide").out)
    assert all(credential["id"] in out for out in wide)
    assert bot("history", "--json").data[1]["command_id"] in wide[0]
