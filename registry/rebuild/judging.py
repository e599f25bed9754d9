"""Judges the events of a log: finds the events that do not count.

An event counts if the tables, after the events before it, could take its change. Commands
append only such events, since they change the tables in the transaction of the append. An event
that does not count was appended by hand; it is reported, and the tables ignore it.

Judging takes a few times as long as a replay. A replay detects by itself that something is
wrong: it fails at an event, or the tables cannot hold the rows that follow. Only then is the
whole log judged.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from projections.columns import Misfit
from projections.memory_sink import MISFITS, Rows
from projections.projector import HANDLERS, TABLES, UNPROJECTED
from registry.database.connection import Connection
from registry.errors import LogContradictsItself
from registry.events.stored import StoredEvent
from registry.events.upcasting import upcast
from registry.rebuild.ledger import Ledger, reduced
from registry.rebuild.replay import Selection, Slice, event_lines
from registry.rebuild.text_rows import unescape

if TYPE_CHECKING:
    from projections.rows import Row, Table

_EXCHANGES: Final = "SELECT d.id FROM public.dexes AS d"
_ORIGIN: Final = """
SELECT e.position, e.stream_type, e.stream_id::text, e.event_type, e.recorded_by
FROM public.audit_trail AS e
WHERE e.position = ANY(%s)
ORDER BY e.position
"""
_LENT: Final = "the credential is lent (end these shares, then rebuild)"


@dataclass(frozen=True, slots=True)
class Skipped:
    """An event that does not count, and why."""

    position: int
    stream: str
    """The type and id of its stream."""
    event_type: str
    recorded_by: str
    """The login that appended it."""
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.event_type} of {self.stream} does not count: {self.reason} "
            f"(appended by {self.recorded_by})"
        )


def judge(connection: Connection, size: int, *, tokens: bool = True) -> list[Skipped]:
    """The events among the first `size` that do not count.

    Raises:
        SchemaTooNew: an event was written by a newer version of this program, which alone
            knows its effect.
    """
    ledger = Ledger(_exchanges(connection))
    reasons: dict[int, Misfit] = {}
    every = event_lines(connection, Selection(size, tokens), Slice())
    with contextlib.closing(every) as lines:
        for line in lines:
            position, misfit = _judged(ledger, line)
            if misfit:
                reasons[position] = misfit
    reasons |= dict.fromkeys(ledger.removed_while_lent, _LENT)
    rows = connection.execute(_ORIGIN, [list(reasons)]).fetchall()
    return [
        Skipped(position, f"{kind} {stream_id}", event_type, login, reasons[position])
        for position, kind, stream_id, event_type, login in rows
    ]


def rows_fit(connection: Connection, replayed: Iterable[Rows]) -> bool:
    """Whether the tables can hold the rows of a replay, given slice by slice.

    False also if the replay fails.
    """
    kept: dict[Table, list[tuple[str, Row]]] = {t: [] for t in TABLES if not t.partial}
    try:
        for rows in replayed:
            for table in TABLES:
                for key, row in rows.get(table.name, {}).items():
                    if table.misfit({**row, table.key: key}):
                        return False
                    if not table.partial:
                        kept[table].append((key, reduced(table, row)))
    except (LogContradictsItself, *MISFITS):
        return False
    ledger = Ledger(_exchanges(connection))
    # In the order of the tables: accounts before the rows that refer to them.
    refused = any(ledger.insert(table, *row) for table, rows in kept.items() for row in rows)
    return not refused and not ledger.removed_while_lent


def _judged(ledger: Ledger, line: str) -> tuple[int, Misfit]:
    position, account_id, version, event_type, schema, occurred_at, data = line.split("\t")
    number = int(position)
    if event_type in UNPROJECTED:
        return number, ""
    handlers = HANDLERS.get(event_type)
    if handlers is None:
        return number, "no program writes such an event"
    values = orjson.loads(unescape(data))
    event = StoredEvent(account_id, int(version), event_type, int(schema), occurred_at, values)
    try:
        current = upcast(event)
        changes = [handler(current) for handler in handlers]
        return number, ledger.take(changes, account_id, number)
    except MISFITS:
        return number, "it does not hold what an event of its type holds"


def _exchanges(connection: Connection) -> frozenset[int]:
    return frozenset(row[0] for row in connection.execute(_EXCHANGES))
