"""Repairs the tables: merges the differences of a comparison, in one short transaction.

The transaction takes the append lock, applies the events since the comparison, and touches
only rows that differ.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import psycopg

from projections import TABLES, project
from projections.accounts import TABLE as ACCOUNTS
from projections.memory_sink import MISFITS, Rows, apply_to_memory
from projections.positions import TABLE as POSITIONS
from projections.rows import Delete, PatchAll, RowChange
from projections.sql_sink import apply_to_tables
from registry.database.connection import Connection, registry_errors
from registry.database.errors import SHARING_REFUSED, STALE_VERSION
from registry.database.queries import load_queries, one_row
from registry.errors import RebuildRunning, RowsRefused
from registry.events.base import EventModel
from registry.events.positions import PositionsLinked
from registry.events.registry import LegacyAdopted, ProjectionsRebuilt, SchemaTakenDown
from registry.events.stored import StoredEvent, Stream
from registry.execution.executor import Invocation, command_record
from registry.log.append import CommandRecord, NewEvent, send_append
from registry.log.ids import REGISTRY_STREAM
from registry.log.reading import send_versions, versions_of
from registry.rebuild.comparison import Comparison, Report
from registry.rebuild.merge import SHADOW, copy_in, fill_shadow, make_shadow, merge
from registry.rebuild.readiness import try_rebuild_lock
from registry.rules.positions import parts

_QUERIES = load_queries("registry.rebuild", "rebuild.sql")

_CHANGING_ALL: Final = {
    kind.__name__ for kind in (LegacyAdopted, ProjectionsRebuilt, SchemaTakenDown)
}
"""The events of what changes rows without an event of their own."""

Step = Callable[[Connection], None]
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The result of a rebuild."""

    report: Report
    position: int | None = None
    """The position of its event in the log; None if there was nothing to do."""
    tail: int = 0
    """The number of events that were appended during the replay."""
    links_recorded: int = 0
    locked_seconds: float = 0.0
    """The time for which appends were blocked."""


def repair(
    connection: Connection,
    comparison: Comparison,
    invocation: Invocation,
    *,
    before: Step = lambda _: None,
    after: Step = lambda _: None,
) -> Rebuilt:
    """Merges the differences of a comparison, in one transaction or within the caller's.

    `before` and `after` run in the same transaction. With them, `migrate up` creates and fills
    the tables at once, and no reader ever sees them empty.

    Raises:
        RowsRefused: the tables refuse rows that follow from the log.
        RebuildRunning: see `follow_tail`.
    """
    with registry_errors(connection), _naming_refusals(), connection.transaction():
        make_shadow(connection)
        fill_shadow(connection, comparison.blocks("changed"), comparison.extra)
        before(connection)
        content = {"verb": "rebuild", "size": comparison.report.size}
        record = command_record(invocation, content, invocation.command_id)
        try_rebuild_lock(connection)  # others would compare in vain; this one has compared
        started = time.monotonic()
        # From here to the commit, appends wait.
        event = ProjectionsRebuilt(size=comparison.report.size, tables=comparison.report.by_table())
        position = append_at_end(connection, record, 0, REGISTRY_STREAM, event)
        tail = follow_tail(connection, comparison)
        owners = {
            key: {"id": key, "account_id": comparison.links[key]} for key in comparison.link_repairs
        }
        missing = comparison.blocks("missing", but=comparison.late)
        merge(connection, missing, {POSITIONS: owners})
        recorded = _record_links(connection, comparison, record)
        after(connection)
    return Rebuilt(
        comparison.report,
        position=position,
        tail=tail,
        links_recorded=recorded,
        locked_seconds=time.monotonic() - started,
    )


def judging_if_refused(attempt: Callable[[bool], _Result]) -> _Result:
    """Returns the result of the attempt; repeats it with judging if the tables refuse the rows.

    Raises:
        RowsRefused: the tables also refuse the rows of the events that count.
    """
    with contextlib.suppress(RowsRefused):
        return attempt(False)
    # Twice, since more such events may be appended while the log is judged.
    with contextlib.suppress(RowsRefused):
        return attempt(True)
    return attempt(True)


@contextlib.contextmanager
def _naming_refusals() -> Iterator[None]:
    try:
        yield
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise RowsRefused(_refusal(error)) from error
    except psycopg.DatabaseError as error:
        if error.sqlstate != SHARING_REFUSED:
            raise
        raise RowsRefused(_refusal(error)) from error


def _refusal(error: psycopg.Error) -> str:
    what = error.diag.message_primary or type(error).__name__
    return f"the tables refuse the rows that follow from the log: {what}"


def append_at_end(
    connection: Connection, record: CommandRecord, index: int, stream: Stream, event: EventModel
) -> int:
    """Appends an event at the current end of its stream, and returns its position."""
    while True:
        version = versions_of(send_versions(connection, [stream]))[stream]
        new = NewEvent(stream, version + 1, event)
        try:
            with connection.transaction():  # a savepoint: earlier work is kept
                (position,) = one_row(send_append(connection, record, index, new))
                return int(position)
        except psycopg.DatabaseError as error:
            # Another session appended to the stream before we had the lock. For example, events
            # of a master key rotation are in the registry's stream too.
            if error.sqlstate != STALE_VERSION:
                raise


def follow_tail(connection: Connection, comparison: Comparison, *, shadow: bool = True) -> int:
    """Applies the events since the comparison to it, and returns how many there were.

    `shadow` says whether to apply them to the shadow of `merge` too.

    Raises:
        RowsRefused: one of these events is malformed.
        RebuildRunning: somebody else has changed rows meanwhile, other than by these events.
    """
    links: Rows = {
        POSITIONS.name: {key: {"account_id": owner} for key, owner in comparison.links.items()}
    }
    rows = connection.execute(_QUERIES["tail"], {"size": comparison.report.size}).fetchall()
    tail = [StoredEvent(*row) for row in rows]
    if not _CHANGING_ALL.isdisjoint(event.event_type for event in tail[:-1]):
        raise RebuildRunning(
            "another rebuild, or a migration, has changed the tables meanwhile",
            hint="Run it again: it compares them as they are now.",
        )
    try:
        changes = [change for event in tail for change in project(event)]
    except MISFITS:
        raise RowsRefused(
            "an event that came meanwhile does not hold what an event of its type holds",
            hint="Try again: it is looked at then.",
        ) from None
    if shadow:
        _hold_back(connection, comparison, changes)
    for change in changes:
        if change.table.partial:
            apply_to_memory(links, change)
        elif shadow:
            # The append applied it to the tables already. Only the shadow shows its effect on a
            # row that is missing or damaged there.
            apply_to_tables(connection, change, schema=SHADOW)
        if isinstance(change, Delete) and change.table == ACCOUNTS:
            for link in links[POSITIONS.name].values():
                if link["account_id"] == change.key:
                    link["account_id"] = None
    comparison.links = {key: row["account_id"] for key, row in links[POSITIONS.name].items()}
    # Without the rebuild's own event, the last one.
    return len(tail) - 1


def _hold_back(
    connection: Connection, comparison: Comparison, changes: Iterable[RowChange]
) -> None:
    """Moves missing rows that the tail changes into the shadow, where the tail is applied."""
    for change in changes:
        if not change.table.partial:
            keys = change.keys if isinstance(change, PatchAll) else (change.key,)
            comparison.late[change.table.name].update(key.encode() for key in keys)
    for table in TABLES:
        if late := comparison.late.get(table.name):
            for repairs in comparison.repairs:
                copy_in(
                    connection, table, repairs.lines_of(table.name, "missing", late), schema=SHADOW
                )


def _record_links(connection: Connection, comparison: Comparison, record: CommandRecord) -> int:
    """Appends events for owners that the bot has set and no event has recorded."""
    unknown = list(comparison.unknown_links - comparison.links.keys())
    owners = connection.execute(_QUERIES["linked_positions"], {"positions": unknown}).fetchall()
    linked = [(owner, part) for owner, positions in owners for part in parts(positions)]
    for index, (owner, part) in enumerate(linked, start=1):
        event = PositionsLinked(positions=part)
        append_at_end(connection, record, index, Stream("account", owner), event)
    return sum(len(part) for _, part in linked)
