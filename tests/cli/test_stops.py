"""`stop` and `resume`: what they show, ask and say, and where a stop is seen."""

from typing import Any

import psycopg
import pytest
from support.cli import CommandLine

from registry import Registry

Connection = psycopg.Connection[Any]

WHY = ("--reason", "a key leaked", "--yes", "--actor", "ops@desk")


@pytest.fixture
def cli(cli: CommandLine) -> CommandLine:
    """A command line on a database with a lender of an aster key, its borrower, and a third."""
    for account in ("bot", "lender", "third"):
        cli("create-account", account)
    cli.store("lender", "aster", api_key="lender-key-1", secret_key="lender-secret-1")
    cli.store("third", "backpack")
    assert cli("share", "bot", "lender", "aster").exit_status == 0
    return cli


def stop(cli: CommandLine, *what: str) -> int:
    """The position of a stop."""
    stopped = cli("stop", *what, *WHY, "--json")
    assert stopped.exit_status == 0, stopped.err
    position: int = stopped.data["events"][0]["position"]
    return position


def test_it_shows_who_loses_what_and_how_it_is_taken_back(cli: CommandLine) -> None:
    shown = cli("stop", "--exchange", "aster", "--dry-run")
    assert shown.out.splitlines()[0] == (
        "This stops the exchange aster: 2 accounts, 1 key, 1 share, 0 open positions."
    )
    assert [line.split()[:3] for line in shown.out.splitlines()[2:4]] == [
        ["bot", "aster", "lender"],
        ["lender", "aster", "-"],
    ]
    assert shown.out.splitlines()[4].startswith("Would have stopped the exchange aster")
    assert cli("resume").err == "Note: no stop is in force\n"
    done = cli("stop", "--exchange", "aster", *WHY)
    position = done.out.splitlines()[-1].split()[-1]
    assert done.out.splitlines()[-2:] == [
        f"Stopped the exchange aster (event {position}).",
        f"Take it back with: account-registry resume {position}",
    ]
    assert "a program that holds a key keeps it" in done.err
    assert "account-registry blast-radius ACCOUNT aster" in done.err


def test_it_asks_and_needs_a_reason(cli: CommandLine) -> None:
    asked = cli("stop", "--all", "--reason", "x")
    assert (asked.exit_status, asked.err.splitlines()[0]) == (
        5,
        "Error: this needs a confirmation, and there is no terminal to ask on",
    )
    without = cli("stop", "--all", "--yes")
    assert (without.exit_status, without.out) == (2, "")
    assert "a stop needs a reason" in without.err
    assert cli("history", "--type", "UseStopped", "--json").data == []


def test_a_program_that_is_refused_is_told_by_whom_and_why(cli: CommandLine) -> None:
    position = stop(cli, "--lender", "lender")
    refused = cli("run", "--account", "bot", "--", "true")
    assert refused.exit_status == 5
    assert "no aster key for bot: ops@desk stopped what lender lends on " in refused.err
    assert f"(event {position}): a key leaked" in refused.err
    assert f"account-registry resume {position}" in refused.err
    assert cli("resolve", "bot", "aster", "--json").error["code"] == "use_is_stopped"
    assert cli("reveal-credential", "lender", "aster", "--field", "api_key").exit_status == 0


@pytest.mark.parametrize(
    ("verb", "seen"),
    [
        (("show-account", "lender"), "active          stopped"),
        (("list-accounts",), "lender    stopped"),
        (("list-credentials",), "stopped"),
        (("list-shares",), "no: stopped by event"),
        (("resolve", "bot"), "ops@desk stopped the account lender"),
        (("doctor", "--quick"), "warning  stops: ops@desk stopped the account lender"),
        (("history", "lender"), "stopped the account lender"),
    ],
    ids=lambda part: part[0] if isinstance(part, tuple) else "",
)
def test_a_stop_is_seen_until_it_is_taken_back(
    cli: CommandLine, verb: tuple[str, ...], seen: str
) -> None:
    position = stop(cli, "--account", "lender")
    out = cli(*verb).out
    assert seen in out
    if verb[0] != "history":
        assert f"account-registry resume {position}" in out
    resumed = cli("resume", str(position), "--yes")
    assert resumed.out.splitlines()[-1] == f"Resumed the account lender (event {position + 1})."
    after = cli(*verb).out
    assert seen not in after or "resumed the account lender" in after


def test_who_could_use_a_key_does_not_count_what_is_stopped(cli: CommandLine) -> None:
    asked = ("who-could-use", "lender", "aster", "--json")
    users = [use["account"] for use in cli(*asked).data["could_use"]]
    stop(cli, "--lender", "lender")
    assert (users, [use["account"] for use in cli(*asked).data["could_use"]]) == (
        ["lender", "bot"],
        ["lender"],
    )


def test_what_cannot_be_shown_is_stopped_nevertheless(
    cli: CommandLine, connection: Connection
) -> None:
    connection.execute("ALTER TABLE strategy_positions RENAME TO elsewhere")
    connection.execute("ALTER TABLE account_exchange_sharing RENAME TO gone")
    done = cli("stop", "--all", *WHY, CREDENTIAL_ENCRYPTION_KEY="")
    assert (done.exit_status, done.out.splitlines()[0][:18]) == (0, "Stopped it (event ")
    assert "Who loses what cannot be shown: " in done.err


def test_a_newer_schema_is_no_obstacle(
    cli: CommandLine, connection: Connection, database_url: str
) -> None:
    connection.execute(
        "INSERT INTO registry_migrations (number, name, checksum) VALUES (99, 'later', '')"
    )
    assert cli("list-accounts").exit_status == 7
    assert cli("stop", "--account", "bot", *WHY).exit_status == 0
    connection.execute("DELETE FROM registry_migrations WHERE number = 99")
    with Registry.open(database_url) as registry:
        assert [stop.what for stop in registry.stops()] == ["the account bot"]


def test_a_stop_that_is_not_one_alone_or_none_is_named(cli: CommandLine) -> None:
    first, second = stop(cli, "--all"), stop(cli, "--account", "bot")
    which = cli("resume", "--yes")
    assert (which.exit_status, f"account-registry resume {second}" in which.err) == (2, True)
    assert f"event {first}" in which.err
    none = cli("resume", "0", "--yes")
    assert (none.exit_status, none.err.splitlines()[0]) == (
        3,
        "Error: event 0 is no stop: it is AccountCreated",
    )
    assert cli("resume", str(first), "--yes").exit_status == 0
    again = cli("resume", str(first), "--yes")
    assert (again.exit_status, again.out) == (0, "Nothing to change: it is already like this.\n")
    assert "everything was resumed already by " in again.err


def test_a_long_list_is_cut_and_said_to_be(cli: CommandLine) -> None:
    for number in range(20):
        cli("create-account", f"borrower{number:02}")
        cli("share", f"borrower{number:02}", "lender", "aster")
    out = cli("stop", "--all", "--dry-run").out.splitlines()
    assert "3 more are not shown; --json shows all." in out
    assert len(cli("stop", "--all", "--dry-run", "--json").data["uses"]) == 23
