"""Writes events into the log unchecked, to test the code that reads them.

`append_event` refuses events that no program writes; the log's owner can bypass it.
"""

import json
import uuid
from typing import Any

import psycopg


def append_raw(
    connection: psycopg.Connection[Any],
    event_type: str,
    stream: tuple[str, uuid.UUID],
    data: dict[str, Any] | str,
    *,
    related: uuid.UUID | None = None,
    schema_version: int = 1,
    actor: str = "tester@host",
    reason: str | None = None,
) -> int:
    """Appends one event, without any check, rule or projection; returns its position."""
    row = connection.execute(
        "SELECT audit_write(h.size, h.peaks, h.appended_at, gen_random_uuid(), %(kind)s, %(id)s,"
        " (SELECT coalesce(max(stream_version), 0) + 1 FROM audit_events"
        "  WHERE stream_type = %(kind)s AND stream_id = %(id)s), %(type)s, %(schema)s,"
        " %(data)s::json, %(actor)s, %(reason)s, gen_random_uuid(), 0, sha256('x'), %(related)s,"
        " clock_timestamp()) FROM audit_head AS h",
        {
            "kind": stream[0],
            "id": stream[1],
            "type": event_type,
            "schema": schema_version,
            "data": data if isinstance(data, str) else json.dumps(data),
            "actor": actor,
            "reason": reason,
            "related": related,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])
