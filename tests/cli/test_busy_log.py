"""A session that holds the log: commands do not hang, and the session can be found."""

import datetime as dt
from collections.abc import Iterator

import psycopg
import pytest
from support.cli import CommandLine

IMPATIENT = {"PGOPTIONS": "-c lock_timeout=100ms"}


@pytest.fixture
def holder(database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A bot that has asked for a release, for example, and then stands still."""
    with psycopg.connect(database_url, application_name="stuck bot") as session:
        session.execute("SELECT FROM audit_head FOR UPDATE")
        yield session


def test_a_command_says_that_another_session_holds_the_log_and_changes_nothing(
    cli: CommandLine, holder: psycopg.Connection[tuple[object, ...]]
) -> None:
    """Pain 23: a blocking audit sink must not hang the service."""
    result = cli("create-account", "main_bot", **IMPATIENT)
    assert result.exit_status == 7
    assert "another session has kept what this needs locked" in result.err
    assert "account-registry end-session" in result.err
    holder.rollback()
    assert cli("list-accounts", "--json").data == []
    assert cli("create-account", "main_bot", **IMPATIENT).exit_status == 0


def test_doctor_names_the_session_that_holds_the_log(
    cli: CommandLine,
    holder: psycopg.Connection[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("registry.services.changes.sessions.BRIEF", dt.timedelta(0))
    findings = {finding["message"]: finding for finding in cli("doctor", "--json").data}
    pid = holder.info.backend_pid
    (told,) = [message for message in findings if message.startswith(f"session {pid} of ")]
    assert "stuck bot, idle in transaction" in told
    holder.rollback()
    assert not any(
        "holds the log" in finding["message"] for finding in cli("doctor", "--json").data
    )


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds the log is in the way at once."""
    monkeypatch.setattr("registry.services.changes.sessions.BRIEF", dt.timedelta(0))


def test_nobody_is_ended_while_nobody_holds_the_log_for_long(
    cli: CommandLine, holder: psycopg.Connection[tuple[object, ...]]
) -> None:
    told = cli("end-session", "--yes")
    assert (told.exit_status, told.err) == (0, "")
    assert told.out == "No session has held the log for longer than 2 s.\n"
    assert cli("end-session", "--yes", "--json").data == {"ended": None}
    holder.execute("SELECT 1")


@pytest.mark.usefixtures("at_once")
def test_who_holds_the_log_is_shown_before_anything_is_ended(
    cli: CommandLine, holder: psycopg.Connection[tuple[object, ...]]
) -> None:
    told = cli("end-session")
    assert told.exit_status == 5
    shown = dict(line.split(maxsplit=1) for line in told.out.splitlines())
    assert shown["pid"] == str(holder.info.backend_pid)
    assert shown["role"] == holder.info.user
    assert (shown["application"], shown["state"]) == ("stuck bot", "idle in transaction")
    assert "needs a confirmation" in told.err
    holder.execute("SELECT 1")


@pytest.mark.usefixtures("at_once")
def test_a_session_of_a_superuser_is_not_ended_for_an_operator(
    cli: CommandLine, holder: psycopg.Connection[tuple[object, ...]]
) -> None:
    refused = cli("end-session", "--yes", "--json")
    assert (refused.exit_status, refused.error["code"]) == (5, "permission_denied")
    assert "GRANT pg_signal_backend TO registry_owner" in refused.error["hint"]
    holder.execute("SELECT 1")


def test_a_session_waits_for_half_a_minute_unless_it_is_told_otherwise(
    cli: CommandLine, database_url: str
) -> None:
    from registry.database.opening import SingleConnection
    from registry.database.target import Target

    def patience(url: str) -> object:
        database = SingleConnection(Target(url))
        with database.connection() as connection:
            row = connection.execute("SHOW lock_timeout").fetchone()
        database.close()
        return row

    assert patience(database_url) == ("30s",)
    own = psycopg.conninfo.make_conninfo(database_url, options="-c lock_timeout=5s")
    assert patience(own) == ("5s",)
