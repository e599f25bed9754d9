"""Checks a whole registry: the log's order, hashes and tree, and the tables against a replay.

Independent of the program's own code where possible: the leaf is the database's, and the tree is
computed from scratch by the definition of RFC 9162 section 2.1.1.
"""

import hashlib
from typing import Any, Final

import orjson
import psycopg

from projections import accounts, credentials, project, sharing, versions
from projections.memory_sink import Rows, apply_to_memory
from registry.events.stored import StoredEvent

_TABLES: Final = (accounts.TABLE, credentials.TABLE, sharing.TABLE, versions.TABLE)

_EVENTS: Final = """
SELECT e.position, e.leaf_hash, e.subtree_roots, sha256('\\x00'::bytea || public.audit_leaf(
        e.position, e.event_id, e.stream_type, e.stream_id, e.stream_version, e.event_type,
        e.schema_version, e.data, e.actor, e.reason, e.command_id, e.command_index,
        e.command_digest, e.related_account_id, e.occurred_at, e.recorded_at, e.recorded_by)),
    e.recorded_at,
    e.stream_type, e.stream_id::text, e.stream_version, e.event_type, e.schema_version,
    (e.occurred_at AT TIME ZONE 'UTC')::text, e.data
FROM public.audit_events AS e
ORDER BY e.position
"""


def check_whole_log(connection: psycopg.Connection[Any]) -> int:
    """Asserts that everything is consistent; returns the number of events."""
    rows: Rows = {}
    versions: dict[tuple[str, str], int] = {}
    leaves: list[bytes] = []
    recorded = None
    for position, leaf, roots, expected, recorded_at, stream_type, *stored in connection.execute(
        _EVENTS
    ):
        event = StoredEvent(*stored)
        assert position == len(leaves), "positions have no gap"
        assert leaf == expected, f"the leaf hash at {position} is that of its row"
        leaves.append(leaf)
        assert roots == _subtree_roots(leaves), f"the subtree roots at {position} are right"
        assert recorded is None or recorded_at >= recorded, "the log's clock never goes back"
        recorded = recorded_at
        stream = (stream_type, event.stream_id)
        assert event.stream_version == versions.get(stream, 0) + 1, "stream versions have no gap"
        versions[stream] = event.stream_version
        for change in project(event):
            apply_to_memory(rows, change)
    head = connection.execute("SELECT size, peaks FROM public.audit_head").fetchone()
    assert head == (len(leaves), _peaks(leaves)), "the head is that of the last event"
    for table in _TABLES:
        assert differences(connection, table.name, rows) == [], f"{table.name} is the replay"
    return len(leaves)


def differences(connection: psycopg.Connection[Any], table: str, rows: Rows) -> list[Any]:
    """Rows that are in only one of the table and the replay."""
    replayed = orjson.dumps(list(rows.get(table, {}).values())).decode()
    return connection.execute(
        f"""
        WITH replay AS (SELECT * FROM jsonb_populate_recordset(NULL::public.{table}, %s)),
            real AS (SELECT * FROM public.{table})
        (TABLE replay EXCEPT ALL TABLE real) UNION ALL (TABLE real EXCEPT ALL TABLE replay)
        """,
        [replayed],
    ).fetchall()


def tree_hash(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 section 2.1.1 over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = tree_hash(leaves[:split]), tree_hash(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def _subtree_roots(leaves: list[bytes]) -> list[bytes]:
    roots = []
    width = 2
    while len(leaves) % width == 0:
        roots.append(tree_hash(leaves[-width:]))
        width *= 2
    return roots


def _peaks(leaves: list[bytes]) -> list[bytes]:
    peaks = []
    rest = leaves
    while rest:
        width = 1 << len(rest).bit_length() - 1
        peaks.append(tree_hash(rest[:width]))
        rest = rest[width:]
    return peaks
