"""Executes a command: reads, decides, appends and projects, the writes in one transaction.

It takes two round trips: one for all reads, one for BEGIN, the appends, the row changes, the
checks and COMMIT. If other sessions append at the same time, the flush to disk follows COMMIT.
The first flush has a round trip of its own; later ones share that of COMMIT. A decision on a
stale state is made again. No outcome is returned before it is on disk, even if another command
wrote it and this one only found it.
"""

import datetime as dt
import hashlib
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, LiteralString, Protocol

import orjson
import psycopg
from psycopg import sql

from projections import project
from projections.sql_sink import apply_to_tables
from registry.clock import now
from registry.database.connection import (
    Connection,
    Database,
    begin,
    refuse_standby,
    registry_errors,
)
from registry.database.durability import send_flush, wait_until_durable
from registry.database.patience import APART, patience
from registry.errors import (
    CommandApplied,
    CommandIdReused,
    DatabaseUnavailable,
    InvalidInput,
    StaleVersion,
)
from registry.log.append import CommandRecord, NewEvent, send_append
from registry.log.ids import new_id
from registry.log.reading import AppliedCommand, applied_command, send_command
from registry.values import MAX_REASON, short_text

if TYPE_CHECKING:
    from registry.rules.credentials import StoredCredential

log = logging.getLogger(__name__)

_DECISIONS: Final = 20
"""The maximum number of decisions of a command whose stream other commands keep changing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """The actor of a command, the reason, and the mode."""

    actor: str
    reason: str | None = None
    command_id: uuid.UUID | None = None
    """The id for a caller that may repeat the command after a lost connection."""
    expected_version: int | None = None
    """The version of the account's stream that the caller has seen."""
    dry_run: bool = False

    def __post_init__(self) -> None:
        short_text(self.actor, "the actor")
        if self.reason is not None:
            short_text(self.reason, "the reason", limit=MAX_REASON)


@dataclass(frozen=True, slots=True)
class Write:
    """A write of a command besides events, such as a data key."""

    statement: LiteralString | bytes | sql.Composed
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def send(self, connection: Connection) -> None:
        """Sends the statement, within the command's transaction."""
        connection.execute(self.statement, dict(self.parameters))


class Check(Protocol):
    """A rule that only the database can check, after all writes of the command.

    It runs in the command's transaction, under the append lock, and fails with an error.
    """

    notes: tuple[str, ...] = ()
    """Notes for the caller; set by `take`."""

    def send(self, connection: Connection) -> psycopg.Cursor[Any]:
        """Sends the query."""

    def take(self, answer: psycopg.Cursor[Any]) -> None:
        """Reads the result."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision on a command, for the state that was read."""

    events: Sequence[NewEvent]
    statements: Sequence[Write] = ()
    notes: tuple[str, ...] = ()
    """Notes for the caller, such as other accounts that are affected."""
    checks: Sequence[Check] = ()
    stored: "tuple[StoredCredential, ...]" = ()
    """The result for each credential in the command."""

    def all_notes(self) -> tuple[str, ...]:
        """The notes of the decision and of the checks; call it after the checks."""
        return (*self.notes, *(note for check in self.checks for note in check.notes))


class Task(Protocol):
    """A command as the executor sees it."""

    def send_reads(self, connection: Connection) -> None:
        """Sends the queries for the decision."""

    def content(self) -> Mapping[str, Any]:
        """The content of the command, for its digest; called after the reads."""

    def decide(self) -> Decided:
        """Decides; called after the reads, and again after a conflict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a command."""

    command_id: uuid.UUID
    positions: tuple[int, ...] = ()
    event_types: tuple[str, ...] = ()
    stream_id: uuid.UUID | None = None
    replayed: bool = False
    """Whether the log held the command already; then this is its first result."""
    dry_run: bool = False
    notes: tuple[str, ...] = ()
    """See `Decided`."""
    repaired: bool = False
    """Whether data outside the log were repaired, without an event."""
    stored: "tuple[StoredCredential, ...]" = ()
    """See `Decided`; empty if `replayed`."""

    @property
    def changed(self) -> bool:
        """Whether the command changed anything (in a dry run: would change)."""
        return bool(self.event_types) or self.repaired


class CommandExecutor:
    """Executes commands on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._others_append = False
        """Whether other sessions appended during the last command: a guess for the next one."""

    def execute(self, task: Task, invocation: Invocation) -> Outcome:
        """Executes a command completely, or not at all.

        Raises:
            CommandIdReused: the command id belongs to a command with other content.
            StaleVersion: the stream is not at the expected version, or keeps changing.
            DatabaseUnavailable: the connection was lost, and could not be restored.
            RegistryError: from the decision or a check.
        """
        command_id = invocation.command_id or new_id()
        about = {"actor": invocation.actor, "command_id": command_id}
        decisions = _DECISIONS
        maybe_applied = invocation.command_id is not None
        with patience() as waiting:
            while True:
                try:
                    return self._attempt(task, invocation, command_id, look_first=maybe_applied)
                except StaleVersion as error:
                    decisions -= 1
                    if invocation.expected_version is not None or not decisions:
                        raise
                    log.debug("decided again", extra={**about, "why": error.message})
                    time.sleep(APART.uniform(0, 0.02))
                except CommandApplied:
                    maybe_applied = True
                except DatabaseUnavailable as error:
                    if not error.undone:
                        log.warning("connection lost", extra={**about, "why": error.message})
                        # The transaction may have been committed: look the command id up.
                        maybe_applied = True
                    waiting.after(error)

    def _attempt(
        self, task: Task, invocation: Invocation, command_id: uuid.UUID, *, look_first: bool
    ) -> Outcome:
        with self._database.connection() as connection, registry_errors(connection):
            refuse_standby(connection)
            with connection.pipeline():
                known = send_command(connection, command_id) if look_first else None
                task.send_reads(connection)
            record = command_record(invocation, task.content(), command_id)
            applied = None if known is None else applied_command(known)
            if applied is not None:
                first_result = _first_result(applied, record)
                wait_until_durable(connection)
                return first_result
            decision = task.decide()
            _check_expected(decision, invocation)
            types = tuple(new.event.event_type for new in decision.events)
            stream_id = decision.events[0].stream.id if decision.events else None
            positions: tuple[int, ...] = ()
            if decision.events or decision.statements:
                positions = self._write(connection, record, decision, dry_run=invocation.dry_run)
            elif not invocation.dry_run:
                wait_until_durable(connection)
        return Outcome(
            command_id=command_id,
            positions=positions,
            event_types=types,
            stream_id=stream_id,
            dry_run=invocation.dry_run,
            notes=decision.all_notes(),
            repaired=bool(decision.statements) and not decision.events,
            stored=decision.stored,
        )

    def _write(
        self, connection: Connection, record: CommandRecord, decision: Decided, *, dry_run: bool
    ) -> tuple[int, ...]:
        """Writes the decision; a dry run does too, to meet every guard, and rolls back."""
        flush_along = self._others_append and not dry_run
        # A pipeline is one implicit transaction, which would be committed even after an error
        # or an interrupt half-way. An explicit BEGIN prevents that.
        with connection.pipeline():
            begin(connection)
            appends = [
                send_append(connection, record, index, event, flush_later_if_others_wait=True)
                for index, event in enumerate(decision.events)
            ]
            for statement in decision.statements:
                statement.send(connection)
            changes = [
                apply_to_tables(connection, change)
                for event in decision.events
                for change in project(event.stored(record.occurred_at))
            ]
            answers = [(check, check.send(connection)) for check in decision.checks]
            connection.execute("ROLLBACK" if dry_run else "COMMIT")
            if flush_along:
                send_flush(connection)
        for check, answer in answers:
            check.take(answer)
        if dry_run:
            return ()
        appended = [row for cursor in appends if (row := cursor.fetchone())]
        self._others_append = any(flush_is_due for _, flush_is_due in appended)
        if not flush_along and (self._others_append or not appended):
            wait_until_durable(connection)
        about = {"actor": record.actor, "command_id": record.command_id}
        if any(change.rowcount == 0 for change in changes):
            hint = "a rebuild compares"
            log.warning("a projected row was missing", extra={**about, "hint": hint})
        positions = tuple(position for position, _ in appended)
        types = tuple(new.event.event_type for new in decision.events)
        log.info("command applied", extra={**about, "events": types, "positions": positions})
        return positions


def _first_result(applied: AppliedCommand, record: CommandRecord) -> Outcome:
    if applied.digest != record.digest:
        raise CommandIdReused(
            f"command id {record.command_id} belongs to another command",
            hint="Give every command an id of its own.",
        )
    return Outcome(
        command_id=record.command_id,
        positions=applied.positions,
        event_types=applied.event_types,
        stream_id=applied.stream_id,
        replayed=True,
    )


def _check_expected(decision: Decided, invocation: Invocation) -> None:
    expected = invocation.expected_version
    if expected is None or not decision.events:
        return
    if expected < 0:
        raise InvalidInput("an expected version is 0 or more")
    actual = decision.events[0].version - 1
    if actual != expected:
        raise StaleVersion(
            f"the account is at version {actual}, not {expected}",
            hint="Look at the changes with history, and decide again.",
        )


def command_record(
    invocation: Invocation,
    content: Mapping[str, Any],
    command_id: uuid.UUID | None = None,
    occurred_at: dt.datetime | None = None,
) -> CommandRecord:
    """The record of a command for the log; by default with a new id and the current time.

    Raises:
        InvalidInput: the content cannot be encoded as JSON.
    """
    try:
        text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise InvalidInput("the command holds a value that JSON cannot carry") from None
    return CommandRecord(
        command_id or new_id(),
        hashlib.sha256(text).digest(),
        invocation.actor,
        invocation.reason,
        occurred_at or now(),
    )
