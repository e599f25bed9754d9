"""The reads of a load do not grow with the log, even in a session with old plans."""

import re
from collections import Counter
from typing import Any

import psycopg
from support.world import World

from registry.rebuild import replay

Connection = psycopg.Connection[Any]

REQUEST = """SELECT release_id FROM request_release(
    'bot', NULL, NULL, NULL, NULL, 'actor', 'host', 'purpose')"""
COLLECT = "SELECT release_id FROM collect_releases(%s)"
READ = """SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
    FROM pg_stat_xact_user_tables
    WHERE relname IN ('audit_events', 'account_exchange_credentials')"""


def rows_read_by_a_load(connection: Connection) -> Counter[str]:
    """Table -> how many rows its two transactions looked at."""
    read: Counter[str] = Counter()
    releases: list[Any] = []
    for statement in (REQUEST, COLLECT):
        with connection.transaction():
            read.subtract(dict(connection.execute(READ).fetchall()))
            parameters = [releases] if releases else None
            releases = [row[0] for row in connection.execute(statement.encode(), parameters)]
            read.update(dict(connection.execute(READ).fetchall()))
    return read


def test_a_load_reads_no_more_rows_when_there_are_many_releases(
    world: World, connection: Connection
) -> None:
    world.account("bot", "lighter", "backpack", "aster")
    for _ in range(12):  # plans are made, and kept
        before = rows_read_by_a_load(connection)
    for _ in range(150):
        connection.execute(REQUEST)
    after = rows_read_by_a_load(connection)
    # An old server may say that it has to flush first, and has read less then.
    assert 0 < before["audit_events"] < 150
    assert 0 < after["audit_events"] < 150
    assert after["account_exchange_credentials"] < 30


def test_a_load_of_three_moves_the_head_once(world: World, connection: Connection) -> None:
    world.account("bot", "lighter", "backpack", "aster")
    written = """SELECT relname, n_tup_ins, n_tup_upd FROM pg_stat_xact_user_tables
        WHERE relname IN ('audit_events', 'audit_head') ORDER BY relname"""
    with connection.transaction():
        assert len(connection.execute(REQUEST).fetchall()) == 3
        rows = connection.execute(written).fetchall()
    assert rows == [("audit_events", 3, 0), ("audit_head", 0, 1)]
    assert world.verify().failures == []


def test_plans_that_go_by_key_are_not_compiled(connection: Connection) -> None:
    """To avoid a sequential scan costs so much in the planner's eyes that it would compile them."""
    rows = connection.execute(
        "SELECT proname, 'jit=off' = ANY (proconfig) FROM pg_proc "
        "WHERE pronamespace = 'public'::regnamespace AND 'enable_seqscan=off' = ANY (proconfig)"
    ).fetchall()
    assert {name for name, _ in rows} >= {"append_event", "request_release", "collect_releases"}
    assert [name for name, is_off in rows if not is_off] == []


def test_the_index_of_changes_has_what_a_replay_reads(connection: Connection) -> None:
    """With another list of types a replay would read the whole log."""
    found = connection.execute("SELECT pg_get_indexdef('audit_events_changes'::regclass)")
    ((definition,),) = found.fetchall()
    types = r"\b[A-Z][a-z]+[A-Z]\w+"
    assert sorted(re.findall(types, definition)) == sorted(re.findall(types, replay._CHANGES))
