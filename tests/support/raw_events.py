"""Appends events as they are, for tests of what reads them."""

import json
import uuid
from typing import Any

import psycopg


def append_raw(
    connection: psycopg.Connection[Any],
    event_type: str,
    stream: tuple[str, uuid.UUID],
    data: dict[str, Any],
    *,
    related: uuid.UUID | None = None,
) -> int:
    """Appends one event, without any rule or projection; gives its position."""
    with connection.transaction():
        (version,) = connection.execute(
            "SELECT coalesce(max(stream_version), 0) FROM audit_events "
            "WHERE stream_type = %s AND stream_id = %s",
            stream,
        ).fetchone() or (0,)
        row = connection.execute(
            "SELECT append_event(gen_random_uuid(), %s, %s, %s, %s, 1, %s, 'tester@host', NULL, "
            "gen_random_uuid(), 0, sha256('x'), %s, clock_timestamp())",
            [*stream, version, event_type, json.dumps(data), related],
        ).fetchone()
    assert row is not None
    return int(row[0])
