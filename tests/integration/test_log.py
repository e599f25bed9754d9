"""The log: one gapless order, expected versions, commands applied once, and no deletion."""

import threading
import uuid
from typing import Any

import psycopg
import pytest
from support.appending import append, command

from registry.database.connection import registry_errors
from registry.errors import CommandApplied, CommandIdReused, LogIsAppendOnly, StaleVersion
from registry.events.accounts import AccountUpdated
from registry.events.registry import ProjectionsRebuilt
from registry.events.stored import Stream
from registry.log.ids import new_id
from registry.log.reading import applied_command, events_of, send_command, send_stream

Connection = psycopg.Connection[Any]


def positions(connection: Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT position FROM audit_events ORDER BY 1")]


def test_positions_start_at_0_and_have_no_gaps(connection: Connection) -> None:
    assert [append(connection) for _ in range(5)] == [0, 1, 2, 3, 4]


def test_a_transaction_that_was_rolled_back_leaves_no_gap(connection: Connection) -> None:
    append(connection)
    with pytest.raises(ZeroDivisionError), connection.transaction():
        assert append(connection) == 1
        raise ZeroDivisionError
    assert append(connection) == 1
    assert positions(connection) == [0, 1]


def test_a_later_append_waits_for_an_earlier_transaction(
    connection: Connection, database_url: str
) -> None:
    """A reader that has seen position n has seen everything before it."""
    given: list[int] = []

    def other() -> None:
        with psycopg.connect(database_url, autocommit=True) as second:
            given.append(append(second))

    thread = threading.Thread(target=other)
    with connection.transaction():
        assert append(connection) == 0
        thread.start()
        thread.join(timeout=0.3)
        assert thread.is_alive()
    thread.join(timeout=10)
    assert given == [1]


def test_a_stream_s_versions_start_at_1_and_follow_each_other(connection: Connection) -> None:
    stream = Stream("account", new_id())
    for version in (1, 2, 3):
        append(connection, stream=stream, version=version)
    assert [e.stream_version for e in events_of(send_stream(connection, stream))] == [1, 2, 3]


@pytest.mark.parametrize("version", [1, 3, 7])
def test_a_stale_expected_version_is_a_typed_conflict(connection: Connection, version: int) -> None:
    stream = Stream("account", new_id())
    append(connection, stream=stream, version=1)
    with pytest.raises(StaleVersion, match=f"is at version 1, not {version - 1}") as stale:
        with registry_errors(connection):
            append(connection, stream=stream, version=version)
    assert stale.value.hint == "Read the stream again and decide again."
    assert positions(connection) == [0]


def test_streams_of_other_types_and_ids_have_versions_of_their_own(connection: Connection) -> None:
    same_id = new_id()
    append(connection, stream=Stream("account", same_id), version=1)
    rebuilt = ProjectionsRebuilt(size=0, tables={})
    append(connection, stream=Stream("registry", same_id), version=1, event=rebuilt)
    append(connection, stream=Stream("account", new_id()), version=1)
    assert positions(connection) == [0, 1, 2]


def test_the_same_command_again_is_told_apart_from_an_error(connection: Connection) -> None:
    once = command(content="a")
    append(connection, by=once)
    with pytest.raises(CommandApplied), registry_errors(connection):
        append(connection, by=once)
    assert positions(connection) == [0]


def test_the_same_command_id_with_other_content_is_a_typed_error(connection: Connection) -> None:
    once = command(content="a")
    append(connection, by=once)
    with pytest.raises(CommandIdReused, match="belongs to another command"):
        with registry_errors(connection):
            append(connection, by=command(once.command_id, content="b"))
    assert positions(connection) == [0]


def test_what_a_command_did_can_be_asked(connection: Connection) -> None:
    stream = Stream("account", new_id())
    once = command(content="a")
    with connection.transaction():
        append(connection, stream=stream, version=1, by=once, index=0)
        append(connection, stream=stream, version=2, by=once, index=1)
    applied = applied_command(send_command(connection, once.command_id))
    assert applied is not None
    assert applied.positions == (0, 1)
    assert applied.event_types == ("AccountUpdated", "AccountUpdated")
    assert (applied.stream_id, applied.digest) == (stream.id, once.digest)
    assert applied_command(send_command(connection, uuid.uuid4())) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor = 'someone else'",
        "UPDATE audit_events SET actor = 'x' WHERE false",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "TRUNCATE audit_events CASCADE",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
        "MERGE INTO audit_events e USING (SELECT 0 AS p) s ON e.position = s.p "
        "WHEN MATCHED THEN DELETE",
    ],
)
def test_the_log_cannot_be_changed_by_its_owner_or_a_superuser(
    connection: Connection, statement: str
) -> None:
    append(connection)
    before = connection.execute("SELECT e::text FROM audit_events e").fetchall()
    with pytest.raises(LogIsAppendOnly, match="the log is append-only") as refused:
        with registry_errors(connection):
            connection.execute(statement)
    assert "another event" in (refused.value.hint or "")
    connection.execute("SET ROLE registry_owner")
    with pytest.raises(LogIsAppendOnly), registry_errors(connection):
        connection.execute(statement)
    connection.execute("RESET ROLE")
    assert connection.execute("SELECT e::text FROM audit_events e").fetchall() == before


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_head DEFAULT VALUES",
        "INSERT INTO audit_head (only_row) VALUES (false)",
    ],
)
def test_the_head_is_one_row(connection: Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.IntegrityError):
        connection.execute(statement)


def test_the_stored_text_is_what_was_given_to_the_byte(connection: Connection) -> None:
    event = AccountUpdated(description="größe \U0001f600", metadata={"b": 1.50, "a": [1e22, "\\"]})
    append(connection, event=event)
    row = connection.execute("SELECT data::text FROM audit_events").fetchone()
    assert row == (event.to_json(),)


def test_both_clocks_and_the_login_are_kept(connection: Connection) -> None:
    append(connection)
    row = connection.execute(
        "SELECT occurred_at = '2030-01-01 12:00Z', recorded_at BETWEEN now() - interval '1 min' "
        "AND clock_timestamp(), recorded_by = session_user FROM audit_events"
    ).fetchone()
    assert row == (True, True, True)


def test_the_database_s_clock_never_goes_back_in_the_log(connection: Connection) -> None:
    append(connection)
    row = connection.execute(
        "UPDATE audit_head SET appended_at = clock_timestamp() + interval '1 hour' "
        "RETURNING appended_at"
    ).fetchone()
    append(connection)
    append(connection)
    times = connection.execute("SELECT recorded_at FROM audit_events ORDER BY position").fetchall()
    assert times[0] < times[1] == times[2] == row


def test_an_append_does_not_walk_the_old_versions_of_the_head(
    connection: Connection, database_url: str
) -> None:
    """Under load there are hundreds of pages of them, until the table is vacuumed."""
    with psycopg.connect(database_url) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM audit_events")  # keeps them from being removed
        for _ in range(100):
            append(connection)
    connection.execute("ANALYZE audit_head")
    with psycopg.connect(database_url, autocommit=True) as fresh, fresh.transaction():
        append(fresh)
        scans = fresh.execute(
            "SELECT seq_scan, idx_scan > 0 FROM pg_stat_xact_user_tables "
            "WHERE relname = 'audit_head'"
        ).fetchone()
    assert scans == (0, True)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("stream_type", "Account; DROP"),
        ("event_type", "lower"),
        ("schema_version", 0),
        ("data", "[]"),
        ("data", "{"),
        ("actor", ""),
        ("actor", "x" * 256),
        ("reason", "x" * 1001),
        ("command_index", -1),
        ("command_digest", b"short"),
    ],
)
def test_the_database_refuses_an_event_that_could_not_be_read_again(
    connection: Connection, column: str, value: object
) -> None:
    event = {
        "event_id": new_id(),
        "stream_type": "account",
        "stream_id": new_id(),
        "expected_version": 0,
        "event_type": "AccountUpdated",
        "schema_version": 1,
        "data": "{}",
        "actor": "a",
        "reason": None,
        "command_id": new_id(),
        "command_index": 0,
        "command_digest": bytes(32),
        "related_account_id": None,
        "occurred_at": "2030-01-01Z",
    }
    places = ", ".join(f"p_{name} => %({name})s" for name in event)
    sql = f"SELECT append_event({places})".replace("%(data)s", "%(data)s::json")
    with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.InvalidTextRepresentation)):
        connection.execute(sql, {**event, column: value})
    assert positions(connection) == []
    connection.execute(sql, event)
    assert positions(connection) == [0]


def test_a_former_name_is_found_by_an_index(connection: Connection) -> None:
    connection.execute("SET enable_seqscan = off")
    plan = connection.execute(
        "EXPLAIN SELECT * FROM former_names WHERE former_name = 'x'"
    ).fetchall()
    assert "audit_events_former_name" in str(plan)
