"""Threat: Forged output.

A name, a reason or a label contains terminal escape sequences, line ends or markup. Its author
wants to deceive an administrator or control the terminal.
"""

import io
import json
import logging
import re
import sys
import uuid
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.raw_events import append_raw
from support.registry_tables import unguarded
from support.terminal import type_into_a_terminal

from registry.commands._logging import set_up_logging

Connection = psycopg.Connection[Any]

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b1A\u202egnp\u2028\r"
FORGED_LINE = "\n999  2030-01-01 00:00:00Z  root@host as postgres  forged"
TABS = "\ta\tb"
MARKUP = "[red]boo[/red][link=https://evil.example]click[/link][/]"
HOSTILE = ESCAPES + TABS + FORGED_LINE + MARKUP
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

READING = [
    ("list-accounts",),
    ("show-account", "bot"),
    ("list-credentials",),
    ("list-credentials", "bot"),
    ("list-shares",),
    ("list-problems",),
    ("list-access",),
    ("history",),
    ("history", "bot"),
    ("exchanges",),
    ("resolve", "bot"),
    ("who-could-use", "bot", "aster"),
    ("rebuild", "--check"),
    ("verify", "--without-keys"),
]


@pytest.fixture
def hostile(cli: CommandLine, connection: Connection) -> CommandLine:
    """A registry in which every text that SQL can set is hostile."""
    cli("create-account", "bot")
    cli.store("bot", "aster")
    with unguarded(connection):
        for change in ("description = %(t)s", "wallet_address = %(t)s"):
            connection.execute(f"UPDATE accounts SET {change}".encode(), {"t": HOSTILE})
        connection.execute(
            "UPDATE accounts SET metadata = jsonb_build_object(%(t)s::text, %(t)s::text)",
            {"t": HOSTILE},
        )
        connection.execute(
            "UPDATE account_exchange_credentials SET label = %(t)s, exchange_account_id = %(t)s",
            {"t": HOSTILE},
        )
        connection.execute(
            "UPDATE dexes SET name = %s, display_name = name WHERE name = 'grvt'",
            [(ESCAPES + "x")[:50]],
        )
        for event_type, data in (
            ("SomethingNew", {"a": HOSTILE}),
            ("AccountRenamed", {"previous_name": HOSTILE, "account_name": HOSTILE}),
            ("AccessGranted", {"role": HOSTILE}),
        ):
            stream = ("other", uuid.uuid4())
            append_raw(connection, event_type, stream, data, actor=HOSTILE, reason=HOSTILE)
    return cli


@pytest.mark.parametrize("verb", READING, ids=" ".join)
def test_nothing_that_steers_a_terminal_is_sent_to_it(
    hostile: CommandLine, verb: tuple[str, ...]
) -> None:
    for form in ((), ("--json",)):
        shown = hostile(*verb, *form)
        assert "unexpected" not in shown.err
        # In a pipe tabs separate the cells of a row: that of a text is none of them.
        assert STEERING.search(shown.out.replace("\t", "") + shown.err) is None
        assert not any(line.startswith("999") for line in shown.out.splitlines())


@pytest.mark.parametrize("verb", ["list-accounts", "list-credentials", "history", "exchanges"])
def test_in_a_pipe_each_row_has_the_cells_of_the_head(hostile: CommandLine, verb: str) -> None:
    head, *rows = hostile(verb, "--wide").out.splitlines()
    assert {row.count("\t") for row in rows} == {head.count("\t")}


def test_the_texts_are_shown_with_their_escapes_and_brackets(hostile: CommandLine) -> None:
    shown = hostile("show-account", "bot").out
    assert "\\x1b]0;owned\\x07" in shown
    assert "\\n999" in shown
    assert MARKUP in shown


def test_json_holds_the_texts_exactly(hostile: CommandLine) -> None:
    assert hostile("show-account", "bot", "--json").data["description"] == HOSTILE
    assert hostile("history", "--json").data[-1]["reason"] == HOSTILE


def test_lines_of_json_are_one_line_each(hostile: CommandLine) -> None:
    out = hostile("history", "--ndjson").out
    assert STEERING.search(out) is None
    assert len(out.splitlines()) == len([json.loads(line) for line in out.splitlines()]) == 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("show-account", f"x{HOSTILE}"),
        ("history", f"x{HOSTILE}"),
        ("history", "--type", HOSTILE),
        ("history", "--since", HOSTILE),
        ("create-account", f"x{HOSTILE}"),
        ("run", "--account", "bot", "--", f"no{HOSTILE}"),
        ("verify-proof", f"/nowhere/{HOSTILE}"),
        ("import-env", "bot", "--env-file", f"/nowhere/{HOSTILE}"),
        ("add-exchange", "x", "--field", HOSTILE),
        ("create-account", "x", "--metadata", HOSTILE),
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_error_is_two_lines_at_most_and_obeys_nothing(
    hostile: CommandLine, arguments: tuple[str, ...]
) -> None:
    refused = hostile(*arguments)
    assert refused.exit_status != 0
    assert "unexpected" not in refused.err
    assert STEERING.search(refused.out + refused.err) is None
    assert len(refused.err.splitlines()) <= 2


def test_a_file_name_in_a_folder_of_env_files_forges_no_line(cli: CommandLine) -> None:
    folder = cli.folder / "envs"
    folder.mkdir()
    (folder / f".env.x{ESCAPES}\n  found     .env.main: main (new), aster").write_text("A=1\n")
    refused = cli("import-env", "--dir", str(folder))
    assert STEERING.search(refused.err) is None
    assert not any(line.startswith("  found") for line in refused.err.splitlines())


@pytest.mark.parametrize("terminal", [True, False])
def test_the_programs_log_takes_one_line_for_each_event_and_obeys_nothing(
    monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("REGISTRY_LOG_LEVEL", "debug")
    set_up_logging()
    told = {"actor": HOSTILE, "account": "x\u202ey"}
    logging.getLogger("registry.test").info("command applied", extra=told)
    shown = re.sub("\x1b\\[[0-9]*m", "", stream.getvalue())  # the log's own styles
    assert "owned" in shown
    assert STEERING.search(shown) is None
    assert len(shown.splitlines()) == 1


def test_an_actor_with_escapes_is_refused(cli: CommandLine) -> None:
    refused = cli("create-account", "bot", "--actor", ESCAPES)
    assert refused.exit_status == 2
    assert STEERING.search(refused.err) is None


def test_on_a_terminal_the_history_obeys_nothing(hostile: CommandLine) -> None:
    _, shown = type_into_a_terminal(hostile, ["history"], [])
    assert "owned" in shown
    assert "\x1b]0;" not in shown
    assert "\x1b[2J" not in shown
    assert "\x9b" not in shown
