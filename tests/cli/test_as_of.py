"""show-account and list-accounts as of a moment: the output is that of the moment."""

import json
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine

Connection = psycopg.Connection[Any]


def show(cli: CommandLine, account: str, *options: str) -> Any:
    result = cli("show-account", account, "--json", *options)
    assert result.exit_status == 0, result.err
    data = result.data
    for name in ("as_of", "stop"):
        data.pop(name, None)
    for credential in data["credentials"]:
        for name in ("last_used", "stop", "checked"):
            credential.pop(name, None)
    return data


@pytest.fixture
def told(cli: CommandLine) -> tuple[CommandLine, list[Any]]:
    """An account with a life of eight events, and what was shown after each."""
    fields = json.dumps({"api_key": "k", "secret_key": "s"})
    story: list[tuple[list[str], str]] = [
        (["create-account", "bot", "--metadata", '{"max_positions": 3}'], "bot"),
        (
            ["add-credential", "bot", "aster", "--from-json", "-", "--expires-at", "2030-01-01"],
            "bot",
        ),
        (["update-credential", "bot", "aster", "--label", "main"], "bot"),
        (["rename-account", "bot", "robot"], "robot"),
        (["create-account", "bot"], "robot"),
        (["deactivate-account", "robot"], "robot"),
        (["remove-credential", "robot", "aster", "--yes"], "robot"),
    ]
    shown = []
    for arguments, name in story:
        result = cli(*arguments, stdin=fields)
        assert result.exit_status == 0, result.err
        shown.append((name, show(cli, name)))
    assert cli("delete-account", "robot", "--yes").exit_status == 0
    return cli, shown


def test_each_position_shows_what_was_shown_then(told: tuple[CommandLine, list[Any]]) -> None:
    cli, shown = told
    for position, (name, expected) in enumerate(shown):
        assert show(cli, name, "--as-of", str(position)) == expected


def test_a_name_means_who_had_it_then(told: tuple[CommandLine, list[Any]]) -> None:
    cli, shown = told
    first, second = show(cli, "bot", "--as-of", "2"), show(cli, "bot", "--as-of", "4")
    assert (first["id"], first["id"] != second["id"]) == (shown[0][1]["id"], True)
    nobody = cli("show-account", "bot", "--as-of", "3", "--json")
    assert (nobody.exit_status, nobody.error["code"]) == (3, "account_not_found")
    assert cli("show-account", "robot", "--as-of", "7").exit_status == 3


def test_a_list_shows_all_accounts_of_the_time(told: tuple[CommandLine, list[Any]]) -> None:
    cli, _ = told
    for position, expected in (
        ("0", [("bot", 0, 1)]),
        ("1", [("bot", 1, 2)]),
        ("4", [("bot", 0, 1), ("robot", 1, 4)]),
        ("7", [("bot", 0, 1)]),
    ):
        listed = cli("list-accounts", "--as-of", position, "--json").data
        assert [(a["account_name"], a["credentials"], a["version"]) for a in listed] == expected


def test_a_time_means_the_last_event_recorded_by_then(
    told: tuple[CommandLine, list[Any]], connection: Connection
) -> None:
    cli, _ = told
    times = connection.execute("SELECT recorded_at FROM public.audit_events ORDER BY position")
    for position, (moment,) in enumerate(times):
        shown = cli("list-accounts", "--as-of", moment.isoformat(), "--json").data
        assert {account["as_of"] for account in shown} <= {position}
    assert cli("list-accounts", "--as-of", "2020-01-01", "--json").data == []


@pytest.mark.parametrize(
    ("moment", "status"), [("99", 2), ("2026-01-01T00:00:00", 2), ("someday", 2), ("1.5d", 2)]
)
def test_a_moment_that_is_none_is_refused(
    told: tuple[CommandLine, list[Any]], moment: str, status: int
) -> None:
    assert told[0]("show-account", "bot", "--as-of", moment).exit_status == status


@pytest.mark.usefixtures("told")
def test_only_the_accounts_own_events_are_read(connection: Connection) -> None:
    from registry.services.reading.as_of import _QUERIES

    connection.execute("SET enable_seqscan = off")
    plan = connection.execute(
        b"EXPLAIN (FORMAT TEXT) " + _QUERIES["streams_by_name"],
        {"account_name": "bot", "position": 5},
    ).fetchall()
    assert "Seq Scan on audit_events" not in "\n".join(row[0] for row in plan)
