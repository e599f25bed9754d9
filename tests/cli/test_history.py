"""The verb `history`."""

import datetime as dt

import pytest
from freezegun import freeze_time
from support.cli import CommandLine


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
        "changed label of aster",
    ):
        assert words in shown
    first = five_days("history", "--json").data[0]
    assert set(first) == {
        "account_name",
        "related_account_name",
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
