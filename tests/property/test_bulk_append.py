"""A bulk append makes the same log as single appends."""

import datetime as dt
import itertools
import uuid
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.whole_log import check_whole_log

from registry.errors import CommandApplied, CommandIdReused, StaleVersion
from registry.events.exchanges import ExchangeAdded
from registry.events.stored import Stream
from registry.log.append import CommandRecord, NewEvent, send_append
from registry.log.bulk import Append, append_in_bulk
from registry.log.ids import new_id

Connection = psycopg.Connection[Any]

_EPOCH = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
# Events that change no table: what is compared here is the log.
_STREAMS = [Stream("exchange", uuid.UUID(int=n + 1)) for n in range(4)]


@st.composite
def appends(draw: st.DrawFn) -> list[list[Append]]:
    """Commands, each with its appends, over a few streams."""
    versions = dict.fromkeys(_STREAMS, 0)
    commands = []
    for number in range(draw(st.integers(1, 24))):
        record = CommandRecord(
            command_id=new_id(),
            digest=draw(st.binary(min_size=32, max_size=32)),
            actor=draw(_TEXT.filter(bool)),
            reason=draw(st.none() | _TEXT),
            occurred_at=_EPOCH + dt.timedelta(microseconds=draw(st.integers(-(10**15), 10**15))),
        )
        events = []
        for index in range(draw(st.integers(1, 3))):
            stream = draw(st.sampled_from(_STREAMS))
            versions[stream] += 1
            event = _exchange(f"x{number}", draw(_TEXT))
            related = draw(st.none() | st.uuids())
            new = NewEvent(stream, versions[stream], event, related)
            events.append(Append(record, index, new))
        commands.append(events)
    return commands


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(commands=appends(), chunks=st.lists(st.tuples(st.booleans(), st.integers(1, 9)), min_size=1))
@pytest.mark.slow
def test_any_mix_of_single_and_bulk_appends_makes_the_same_log(
    connection: Connection, commands: list[list[Append]], chunks: list[tuple[bool, int]]
) -> None:
    with connection.transaction(force_rollback=True):
        waiting = list(commands)
        for in_bulk, length in itertools.cycle(chunks):
            if not waiting:
                break
            chunk, waiting = waiting[:length], waiting[length:]
            _append(connection, [append for events in chunk for append in events], in_bulk=in_bulk)
        everything = [append for events in commands for append in events]
        assert check_whole_log(connection) == len(everything)
        assert _log(connection) == [_row(*numbered) for numbered in enumerate(everything)]


def test_positions_follow_what_is_there(connection: Connection) -> None:
    assert append_in_bulk(connection, [_first(_STREAMS[0])]) == range(1)
    assert append_in_bulk(connection, [_first(_STREAMS[1]), _first(_STREAMS[2])]) == range(1, 3)


def test_a_gap_in_a_stream_is_refused(connection: Connection) -> None:
    wrong = Append(_record(), 0, NewEvent(_STREAMS[1], 3, _exchange("x")))
    with pytest.raises(StaleVersion):
        append_in_bulk(connection, [_first(_STREAMS[0]), wrong])
    assert check_whole_log(connection) == 0


def test_a_command_that_was_applied_is_not_applied_again(connection: Connection) -> None:
    record = _record()
    append_in_bulk(connection, [_first(_STREAMS[0], record)])
    with pytest.raises(CommandApplied):
        append_in_bulk(connection, [_first(_STREAMS[1], record)])
    other = CommandRecord(record.command_id, b"x" * 32, "someone", None, _EPOCH)
    with pytest.raises(CommandIdReused):
        append_in_bulk(connection, [_first(_STREAMS[1], other)])
    assert check_whole_log(connection) == 1


def test_an_operator_may_not_append_in_bulk(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE registry_operator")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            append_in_bulk(connection, [_first(_STREAMS[0])])


def _exchange(name: str, display_name: str = "X") -> ExchangeAdded:
    return ExchangeAdded(exchange=name, exchange_id=1, display_name=display_name, fields=[])


def _record() -> CommandRecord:
    return CommandRecord(new_id(), bytes(32), "tester@host", None, _EPOCH)


def _first(stream: Stream, record: CommandRecord | None = None) -> Append:
    return Append(record or _record(), 0, NewEvent(stream, 1, _exchange("x")))


def _append(connection: Connection, chunk: list[Append], *, in_bulk: bool) -> None:
    if in_bulk:
        append_in_bulk(connection, chunk)
        return
    for append in chunk:
        send_append(connection, append.command, append.index, append.event)


def _log(connection: Connection) -> list[Any]:
    return connection.execute(
        "SELECT position, event_id, stream_type, stream_id, stream_version, event_type,"
        " schema_version, data::text, actor, reason, command_id, command_index, command_digest,"
        " related_account_id, occurred_at, recorded_by FROM audit_events ORDER BY position"
    ).fetchall()


def _row(position: int, append: Append) -> tuple[Any, ...]:
    record, new = append.command, append.event
    return (
        position,
        new.id,
        new.stream.type,
        new.stream.id,
        new.version,
        new.event.event_type,
        new.event.schema_version,
        new.event.to_json(),
        record.actor,
        record.reason,
        record.command_id,
        append.index,
        record.digest,
        new.related_account_id,
        record.occurred_at,
        "postgres",
    )
