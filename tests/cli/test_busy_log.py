"""A session that keeps the log to itself: commands do not hang, and it can be found."""

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
    holder.rollback()
    assert cli("list-accounts", "--json").data == []
    assert cli("create-account", "main_bot", **IMPATIENT).exit_status == 0


def test_doctor_names_the_session_that_holds_the_log(
    cli: CommandLine,
    holder: psycopg.Connection[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("registry.services.health._BRIEF", dt.timedelta(0))
    findings = {finding["message"]: finding for finding in cli("doctor", "--json").data}
    pid = holder.info.backend_pid
    (told,) = [message for message in findings if message.startswith(f"session {pid} of ")]
    assert "stuck bot, idle in transaction" in told
    holder.rollback()
    assert not any(
        "holds the log" in finding["message"] for finding in cli("doctor", "--json").data
    )


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
