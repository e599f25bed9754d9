"""`update-account --set` and `--unset`: metadata, one key at a time."""

from typing import Any

import pytest
from support.cli import CommandLine
from support.tables import nothing_written

METADATA = '{"max_positions": 3, "risk_level": "low", "rate": 1.10}'


@pytest.fixture
def bot(cli: CommandLine) -> CommandLine:
    """An account `bot` with metadata."""
    assert cli("create-account", "bot", "--metadata", METADATA).exit_status == 0
    return cli


def metadata(cli: CommandLine) -> dict[str, Any]:
    found: dict[str, Any] = cli("show-account", "bot", "--json").data["metadata"]
    return found


def test_a_key_is_set_and_another_removed_while_the_rest_stays(bot: CommandLine) -> None:
    done = bot("update-account", "bot", "--set", "max_positions=5", "--unset", "risk_level")
    assert (done.out, done.err) == ("Updated account bot (event 1).\n", "")
    assert metadata(bot) == {"max_positions": 5, "rate": 1.1}
    (event,) = bot("history", "bot", "--type", "AccountUpdated", "--json").data
    assert event["data"] == {"metadata": {"max_positions": 5, "rate": 1.1}}


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("5", 5),
        ("-0.5", -0.5),
        ("true", True),
        ("null", None),
        ('"5"', "5"),
        ('["a", {"b": 1}]', ["a", {"b": 1}]),
        ("low", "low"),
        ("a=b", "a=b"),
        ("{half", "{half"),
        ("", ""),
    ],
)
def test_a_value_is_json_or_else_a_text(bot: CommandLine, given: str, value: Any) -> None:
    assert bot("update-account", "bot", "--set", f"note={given}").exit_status == 0
    assert metadata(bot)["note"] == value


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--set", "max_positions"), 2, "--set needs a key and its value"),
        (("--set", "=5"), 2, "--set needs a key and its value"),
        (("--set", "note = 5"), 2, "--set needs a key and its value"),
        (("--set", "note=" + "9" * 30), 2, "metadata.note holds an integer that JSON cannot"),
        (("--set", "MAX_POSITIONS=5"), 2, "the metadata's key 'MAX_POSITIONS' is no limit"),
        ((), 2, "--set, --unset"),
        (("--set", "a.b=5"), 2, "which has no dot"),
        (("--set", "a=1", "--set", "a=2"), 2, "names the key a twice"),
        (("--set", "a=1", "--unset", "a"), 2, "a cannot be set and unset at once"),
        (("--set", "a=1", "--metadata", "{}"), 2, "not both at once"),
        (("--unset", "rate", "--clear", "metadata"), 2, "not both at once"),
        (("--unset", "rates"), 3, "the metadata has no key rates"),
        (("--set", "a=12345678901234567890"), 2, "exactly"),
        (("--set", 'a={"b": 1, "b": 2}'), 2, "twice"),
        (("--set", "a=NaN"), 2, "NaN is not JSON"),
        (("--set", "max_positions=five"), 2, "max_positions must be a whole number"),
        (("--set", "max_positon=5"), 2, "Did you mean max_positions?"),
        (("--metadata", '{"max_position": 10}'), 2, "Did you mean max_positions?"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    bot: CommandLine, options: tuple[str, ...], status: int, message: str
) -> None:
    with nothing_written(bot.environment["DATABASE_URL"]):
        refused = bot("update-account", "bot", *options)
    assert (refused.exit_status, refused.out) == (status, "")
    assert message in refused.err
    assert refused.err.count("\n") <= 2


def test_a_misspelt_limit_is_refused_at_creation_too_unless_it_is_meant(bot: CommandLine) -> None:
    create = ("create-account", "other", "--metadata", '{"max_positon": 3}')
    refused = bot(*create)
    assert refused.exit_status == 2
    assert "Did you mean max_positions? To keep the key as it is, add --as-is." in refused.err
    assert bot(*create, "--as-is").exit_status == 0
    # What is there is not refused when another key changes.
    assert bot("update-account", "other", "--set", "note=x").exit_status == 0
    assert bot("update-account", "other", "--set", "max_positon=4").exit_status == 2
    assert bot("update-account", "other", "--set", "max_positon=4", "--as-is").exit_status == 0


def test_a_replacement_says_which_keys_it_drops(bot: CommandLine) -> None:
    replaced = bot("update-account", "bot", "--metadata", '{"max_positions": 4}')
    assert replaced.out == "Updated account bot (event 1).\n"
    assert "Note: the metadata lost what was not named again: risk_level, rate" in replaced.err
    assert "--set changes a key and keeps the others" in replaced.err
    assert metadata(bot) == {"max_positions": 4}


def test_a_secret_that_was_set_is_not_printed(bot: CommandLine) -> None:
    key = "0x" + "5e" * 32
    with nothing_written(bot.environment["DATABASE_URL"]):
        refused = bot("update-account", "bot", "--set", f"wallet={key}")
    assert refused.exit_status == 2
    assert key not in refused.err + refused.out
