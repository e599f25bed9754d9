"""Finds the sessions that hold the log and block all appends, and ends one.

The database function `end_log_holder` (in the migrations) ends a session only if it holds the
log. The end is recorded as an event. The event needs a free log, so it is appended afterwards,
by a command of its own.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import class_row

from registry.database.connection import Connection, Database, registry_errors
from registry.database.queries import load_queries
from registry.errors import RegistryBusy
from registry.events.registry import SessionEnded
from registry.execution.executor import CommandExecutor, Decided, Invocation, Outcome
from registry.log.append import NewEvent
from registry.log.ids import REGISTRY_STREAM
from registry.log.reading import send_versions, versions_of

_QUERIES = load_queries("registry.services.changes", "sessions.sql")
BRIEF: Final = dt.timedelta(seconds=2)
"""A session that holds the log for longer than this blocks other sessions."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that holds the log; None for a value that the database hides."""

    pid: int
    role: str
    application: str | None
    client: str | None
    state: str | None
    started: dt.datetime | None
    since: dt.datetime | None
    """The start of its transaction."""


def log_holders(connection: Connection) -> list[Holder]:
    """The sessions that have held the log for longer than `BRIEF`."""
    with connection.cursor(row_factory=class_row(Holder)) as cursor:
        return cursor.execute(_QUERIES["log_holders"], {"patience": BRIEF}).fetchall()


def end_session(database: Database, holder: Holder) -> bool:
    """Ends the session if it still holds the log; its uncommitted changes are lost.

    Raises:
        PermissionDenied: the role that owns the registry may not end this session.
    """
    parameters = {"pid": holder.pid, "started": holder.started}
    with database.connection() as connection, registry_errors(connection):
        row = connection.execute(_QUERIES["end_log_holder"], parameters).fetchone()
    return row is not None and bool(row[0])


def record_end(database: Database, holder: Holder, invocation: Invocation) -> Outcome:
    """Records that the session was ended.

    Raises:
        RegistryBusy: another session has taken the log meanwhile, and holds it.
    """
    try:
        return CommandExecutor(database).execute(_Ended(holder), invocation)
    except RegistryBusy as error:
        raise RegistryBusy(
            f"session {holder.pid} was ended, and that could not be recorded: {error.message}",
            hint="Whoever holds the log now is shown, and ended, in the same way.",
        ) from None


def end_first_session(database: Database, invocation: Invocation) -> Holder | None:
    """Ends a session that holds the log, and records it; None if no session holds it."""
    with database.connection() as connection, registry_errors(connection):
        found = log_holders(connection)
    for holder in found:
        if end_session(database, holder):
            record_end(database, holder, invocation)
            return holder
    return None


class _Ended:
    def __init__(self, holder: Holder) -> None:
        self._event = SessionEnded(
            pid=holder.pid,
            role=holder.role,
            application=holder.application or None,
            client=holder.client,
            since=holder.since,
        )

    def send_reads(self, connection: Connection) -> None:
        self._versions = send_versions(connection, [REGISTRY_STREAM])

    def content(self) -> Mapping[str, Any]:
        return {"verb": "end-session", **self._event.model_dump(mode="json")}

    def decide(self) -> Decided:
        version = versions_of(self._versions)[REGISTRY_STREAM]
        return Decided([NewEvent(REGISTRY_STREAM, version + 1, self._event)])
