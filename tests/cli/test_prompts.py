"""Prompts and confirmations on a terminal."""

import signal
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.terminal import type_into_a_terminal


@pytest.mark.parametrize("end", ["\x04", "\x03"], ids=["end of input", "interrupt"])
def test_leaving_at_a_prompt_changes_nothing_and_is_no_defect(
    cli: CommandLine, connection: psycopg.Connection[Any], end: str
) -> None:
    cli("create-account", "bot")
    status, shown = type_into_a_terminal(cli, ["add-credential", "bot", "aster"], [end])
    assert status != 0
    assert "unexpected" not in shown
    assert "Traceback" not in shown
    row = connection.execute("SELECT count(*) FROM audit_events").fetchone()
    assert row == (1,)


@pytest.mark.parametrize(
    ("answers", "fields"),
    [
        (["key-7a6b\n", "secret-5c4d\n"], ["api_key", "secret_key"]),
        (["\n", "\n", "0x" + "7a" * 32 + "\n", "\n"], ["private_key"]),
    ],
)
def test_only_fields_that_have_a_place_beside_the_answers_are_asked_for(
    cli: CommandLine, answers: list[str], fields: list[str]
) -> None:
    cli("create-account", "bot")
    status, shown = type_into_a_terminal(cli, ["add-credential", "bot", "aster"], answers)
    assert status == 0, shown
    (stored,) = cli("list-credentials", "bot", "--json").data
    assert stored["fields"] == fields


def test_nobody_types_a_secret_for_an_account_that_is_not_there(cli: CommandLine) -> None:
    status, shown = type_into_a_terminal(cli, ["add-credential", "bto", "aster"], [])
    assert status == 3
    assert "there is no account bto" in shown
    assert "api_key" not in shown


@pytest.mark.parametrize(
    ("answer", "status", "events"),
    [("y\n", 0, 2), ("YES\n", 0, 2), ("n\n", 5, 1), ("\n", 5, 1), ("\x04", 5, 1)],
)
def test_a_confirmation_is_asked_on_a_terminal(
    cli: CommandLine, connection: psycopg.Connection[Any], answer: str, status: int, events: int
) -> None:
    cli("create-account", "bot")
    done, shown = type_into_a_terminal(cli, ["delete-account", "bot"], [answer])
    assert "Delete account bot? [y/N]" in shown
    assert done == status
    row = connection.execute("SELECT count(*) FROM audit_events").fetchone()
    assert row == (events,)


def test_what_is_typed_before_a_prompt_is_no_answer_and_is_not_shown(cli: CommandLine) -> None:
    cli("create-account", "bot")
    # The master key takes a while, so that there is a time before the first prompt.
    slowly = f"sh -c 'sleep 1; echo {cli.master_key}'"
    cli.environment["CREDENTIAL_ENCRYPTION_KEY"] = ""
    cli.environment["CREDENTIAL_ENCRYPTION_KEY_COMMAND"] = slowly
    typed = ["key-7a6b\nsecret-pasted-too\n", "secret-5c4d\n"]
    status, shown = type_into_a_terminal(
        cli, ["add-credential", "bot", "aster"], typed, early="secret-of-before\nand-more\n"
    )
    assert status == 0, shown
    assert "secret-" not in shown
    assert "more" not in shown
    assert cli("whose-key", "-", stdin="secret-5c4d").out.count("secret_key") == 1
    looked, shown = type_into_a_terminal(cli, ["whose-key"], ["key-7a6b\n"], early="key-before\n")
    assert (looked, "api_key" in shown, "key-" in shown) == (0, True, False)


def test_a_yes_from_before_the_question_confirms_nothing(cli: CommandLine) -> None:
    cli("create-account", "bot")
    status, shown = type_into_a_terminal(cli, ["delete-account", "bot"], ["n\n"], early="y\n")
    assert (status, "not confirmed" in shown) == (5, True)


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([signal.SIGTERM], 143),
        ([signal.SIGHUP], 129),
        ([signal.SIGINT], 130),
        (["key-7a6b\n", signal.SIGTERM], 143),
        (["key-7a6b\n", "\x04"], 2),
    ],
)
def test_a_program_that_is_ended_at_a_prompt_leaves_a_terminal_that_shows_what_is_typed(
    cli: CommandLine, answers: list[str | signal.Signals], status: int
) -> None:
    cli("create-account", "bot")
    ended, shown = type_into_a_terminal(cli, ["add-credential", "bot", "aster"], answers)
    assert ended == status
    assert "Traceback" not in shown


def test_a_program_that_was_stopped_at_a_prompt_goes_on_without_showing_the_answer(
    cli: CommandLine,
) -> None:
    """The shell has turned the echo on meanwhile."""
    cli("create-account", "bot")
    answers: list[str | signal.Signals] = [signal.SIGCONT, "key-7a6b\n", "secret-5c4d\n"]
    status, shown = type_into_a_terminal(cli, ["add-credential", "bot", "aster"], answers)
    assert (status, "key-" in shown) == (0, False), shown


def test_a_stop_without_a_reason_is_refused_before_the_last_question(cli: CommandLine) -> None:
    status, shown = type_into_a_terminal(cli, ["stop", "--all"], ["\n"])
    assert (status, "needs a reason" in shown, "[y/N]" in shown) == (2, True, False)


def test_the_first_key_of_an_exchange_and_the_next_one_are_typed(cli: CommandLine) -> None:
    cli("create-account", "bot")
    add, rotate = ["add-credential", "bot", "binance"], ["rotate-credential", "bot", "binance"]
    status, shown = type_into_a_terminal(cli, add, ["key-7a6b\n", "secret-5c4d\n", "\n"])
    assert (status, "Added a credential" in shown) == (0, True), shown
    typed = ["key-8b7c\n", "secret-6d5e\n", "\n"]
    status, shown = type_into_a_terminal(cli, [*rotate, "--prepare"], typed)
    assert (status, "is pending" in shown, "6d5e" in shown) == (0, True, False), shown
    status, shown = type_into_a_terminal(cli, rotate, [])
    assert (status, "is pending already" in shown, "api_key" in shown) == (4, True, False), shown
