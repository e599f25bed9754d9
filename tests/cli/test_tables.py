"""Tables: for people as wide as their terminal, for programs one line a row."""

import re

import pytest
from rich.cells import cell_len
from support.cli import CommandLine
from support.terminal import shown_on_a_terminal

from registry.commands._table import laid_out

WORDS = "a description that is far too long for one line beside everything else of the account"
LABELS = [
    "plain",
    "日本語のラベル",
    "👩‍👩‍👧 family and ❤️",
    "e\u0301a\u0300 combining",
    "שלום עולם",
    "zero\u200bwidth\ufeff",
]


def laid(columns: list[str], rows: list[list[str]], width: int, *under: str) -> list[str]:
    return [line.rstrip() for line in laid_out(columns, rows, width, under)]


def test_a_row_is_one_line_where_all_rows_fit() -> None:
    assert laid(["a", "text"], [["1", "x y"], ["22", "z"]], 80, "text") == [
        "a   text",
        "1   x y",
        "22  z",
    ]


def test_long_texts_stand_below_their_row_where_they_do_not_fit() -> None:
    shown = laid(
        ["id", "text", "note"], [["one", WORDS, "-"], ["two", "-", "n"]], 40, "text", "note"
    )
    assert shown == [
        "id",
        "one",
        "    text: a description that is far too",
        "          long for one line beside",
        "          everything else of the account",
        "two",
        "    note: n",
    ]


def test_a_row_that_fits_in_no_way_has_a_line_for_each_cell() -> None:
    assert laid(["id", "name"], [["x" * 20, "y" * 20]], 30) == [
        "",
        f"id    {'x' * 20}",
        f"name  {'y' * 20}",
        "",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_no_id_time_or_fingerprint_is_broken(width: int) -> None:
    whole = ["01a22351-9e8f-7716-b21d-a1f013ca90b5", "2026-11-28 18:01:21Z", "api_key#6e5bec8c"]
    cells = [f"changed {one} and {one}, but not the rest of it" for one in whole]
    for under in ((), ("what", "why", "when")):
        shown = "\n".join(laid(["what", "when", "why"], [cells], width, *under))
        assert all(shown.count(one) == 2 for one in whole)


def test_characters_of_any_width_keep_the_columns_in_line(bot: CommandLine) -> None:
    for number, label in enumerate(LABELS):
        bot("create-account", f"bot-{number}", "--description", label)
    lines = shown_on_a_terminal(bot, "list-accounts", columns=120)
    starts = {
        cell_len(line[: found.start()])
        for line in lines[1:]
        if (found := re.search(r"\d{4}-\d\d-\d\d \d\d:", line))
    }
    assert starts == {cell_len(lines[0][: lines[0].index("created")])}
    shown = "\n".join(lines)
    assert "zero\\u200bwidth\\ufeff" in shown


def test_in_a_pipe_a_row_is_a_line_whatever_the_width(bot: CommandLine) -> None:
    bot("update-account", "bot", "--description", f"{WORDS}\twith a tab \\ and a backslash")
    for columns in ("20", "200"):
        head, row = bot("list-accounts", COLUMNS=columns).out.splitlines()
        named = dict(zip(head.split("\t"), row.split("\t"), strict=True))
        assert named["description"] == f"{WORDS}\\twith a tab \\ and a backslash"
        assert (named["account"], named["active"], named["wallet"]) == ("bot", "yes", "-")


def test_the_history_fits_a_narrow_terminal_and_breaks_nothing(bot: CommandLine) -> None:
    bot.store("bot", "aster", "--reason", "the first key of this bot, made by hand at the desk")
    lines = shown_on_a_terminal(bot, "history")
    assert max(map(len, lines)) <= 80
    printed = "\n".join(lines)
    for event in bot("history", "--json").data:
        digests = event["data"].get("fingerprints", {})
        assert all(f"{name}#{digest[:8]}" in printed for name, digest in digests.items())
        assert event["recorded_at"][:19].replace("T", " ") + "Z" in printed


@pytest.mark.parametrize(
    "verb", ["list-accounts", "list-credentials", "list-shares", "list-access", "exchanges"]
)
def test_each_list_is_sorted_by_any_of_its_columns(bot: CommandLine, verb: str) -> None:
    bot.store("bot", "aster")
    for column in bot(verb, "--wide").out.splitlines()[0].split("\t"):
        assert bot(verb, "--sort", column).exit_status == 0, column
    refused = bot(verb, "--sort", "nothing")
    assert (refused.exit_status, len(refused.err.splitlines())) == (2, 2)
