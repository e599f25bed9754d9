"""Prompts and confirmations on a terminal."""

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
