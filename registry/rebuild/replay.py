"""Replays the log, or a slice of it, into dictionaries.

A release only sets when its credential was last used, and nearly all events of a long log are
releases. So a replay reads the events that change rows otherwise, and the newest releases.

A slice holds the events of some accounts. All events that change a row of an account are in
the same slice, so slices can be replayed in parallel or one after the other.
"""

import contextlib
import gc
import heapq
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from projections.memory_sink import MISFITS, Rows, apply_to_memory
from projections.projector import HANDLERS, UNPROJECTED
from registry.database.connection import Connection
from registry.database.copy_out import copy_lines
from registry.database.queries import load_queries, one_row
from registry.errors import LogContradictsItself
from registry.events.stored import StoredEvent
from registry.events.upcasting import upcast
from registry.hints import Command, Hint
from registry.rebuild.text_rows import unescape

EVENTS_PER_SLICE: Final = 750_000
"""Bounds the memory: a slice has at most about this many events."""
_STEP: Final = 20_000
# As in the index `audit_events_changes`.
_CHANGES: Final = (
    "e.event_type NOT IN ('CredentialReleased', 'CredentialChecked', 'EnvironmentFallbackUsed')"
)

# A release changes a row of the account whose credential is released: the related one.
_ACCOUNT: Final = (
    "CASE e.stream_type WHEN 'release' THEN coalesce(e.related_account_id, e.stream_id)"
    " ELSE e.stream_id END"
)
_QUERIES: Final = load_queries("registry.rebuild", "rebuild.sql")
_READ: Final = """
COPY (
    SELECT e.position, {account}, e.stream_version, e.event_type, e.schema_version,
        e.occurred_at::timestamp, {data}
    FROM {log} AS e
    WHERE {which} AND {slice}
    ORDER BY e.position
) TO STDOUT
"""
_WHOLE: Final = {"log": "public.audit_events", "data": "e.data"}
# For a role that may not read tokens, the fields' fingerprints replace them: a row then has
# the right fields.
_WITHOUT_TOKENS: Final = {
    "log": "public.audit_trail",
    "data": "CASE WHEN e.data ? 'fingerprints'"
    " THEN e.data || jsonb_build_object('tokens', e.data -> 'fingerprints') ELSE e.data END",
}


@dataclass(frozen=True, slots=True)
class Slice:
    """One of several equal parts of the accounts, by a hash of their ids."""

    number: int = 0
    of: int = 1

    def condition(self, account_id: str) -> str:
        """An SQL condition for the slice; `account_id` is an SQL expression."""
        if self.of == 1:
            return "TRUE"
        return f"(pg_catalog.uuid_hash({account_id}) & 2147483647) % {self.of:d} = {self.number:d}"


@dataclass(frozen=True, slots=True)
class Selection:
    """The events of a replay."""

    size: int
    """They are among the first events of the log, this many."""
    tokens: bool = True
    """Whether the role may read tokens. Otherwise fingerprints replace them."""
    skipped: Sequence[int] = ()
    """The positions of events that do not count (see `registry.rebuild.judging`)."""
    releases: Sequence[int] | None = None
    """The positions of the releases that are replayed; None: every event is."""
    events: int = 0
    """The number of events, which need not be exact."""

    @property
    def condition(self) -> str:
        """An SQL condition for the selected events, without the releases that are named."""
        first = f"e.position < {self.size:d}"
        if self.releases is not None:
            return f"{first} AND {_CHANGES}"
        left_out = ", ".join(map(str, self.skipped))
        return f"{first} AND e.position NOT IN ({left_out})" if left_out else first


def select_events(
    connection: Connection,
    size: int,
    *,
    tokens: bool,
    skipped: Sequence[int] = (),
    every: bool = False,
) -> Selection:
    """Selects what the rows after the first `size` events follow from.

    Every event is selected if `every` says so, if some are skipped, and in a database that
    lacks the index of the releases, such as one whose tables were taken down.
    """
    whole = Selection(size, tokens, skipped, events=size)
    if every or skipped or not one_row(connection.execute(_QUERIES["releases_are_indexed"]))[0]:
        return whole
    found = connection.execute(_QUERIES["newest_releases"], {"size": size})
    selection = replace(whole, releases=[position for (position,) in found])
    counted = f"SELECT count(*) FROM public.audit_trail AS e WHERE {selection.condition}"
    (changes,) = one_row(connection.execute(counted.encode()))
    return replace(selection, events=changes + len(selection.releases or ()))


def replay(
    connection: Connection,
    selection: Selection,
    part: Slice,
    progress: Callable[[int], None] = lambda _: None,
) -> Rows:
    """The rows of a slice that follow from the selected events.

    `progress` is called with the number of positions passed since the last call.

    Raises:
        LogContradictsItself: an event changes a row that it must not, or is malformed.
        SchemaTooNew: an event was written by a newer version of this program.
    """
    rows: Rows = {}
    passed = 0
    opened = contextlib.closing(event_lines(connection, selection, part))
    with no_garbage_collection(), opened as lines:
        while (reached := _replay(rows, itertools.islice(lines, _STEP))) is not None:
            progress(reached - passed)
            passed = reached
    progress(selection.size - passed)
    return rows


def replay_in_slices(
    connection: Connection, selection: Selection, events_per_slice: int = EVENTS_PER_SLICE
) -> Iterator[Rows]:
    """The rows of each slice in turn; see `replay`."""
    of = -(-selection.events // events_per_slice) or 1
    for number in range(of):
        yield replay(connection, selection, Slice(number, of))


def _replay(rows: Rows, lines: Iterator[str]) -> int | None:
    """Replays the lines and returns the last position; None if there were no lines."""
    position = None
    new = tuple.__new__
    # All in one function, and the event is created without its own __new__: for a million events,
    # each avoided call saves a few percent.
    for line in lines:
        position, account_id, version, event_type, schema, occurred_at, data = line.split("\t")
        handlers = HANDLERS.get(event_type)
        if handlers is None:
            if event_type in UNPROJECTED:
                continue
            raise _does_not_fit(position, event_type)
        # JSON may end with a newline.
        values = orjson.loads(data if "\\" not in data else unescape(data))
        event = new(
            StoredEvent,
            (
                account_id,
                int(version),
                event_type,
                1 if schema == "1" else int(schema),
                occurred_at,
                values,
            ),
        )
        try:
            event = upcast(event)
            for handler in handlers:
                apply_to_memory(rows, handler(event), account_id)
        except MISFITS:
            raise _does_not_fit(position, event_type) from None
    return None if position is None else int(position)


def _does_not_fit(position: str, event_type: str) -> LogContradictsItself:
    return LogContradictsItself(
        f"event {position} ({event_type}) does not fit the events before it",
        hint=Hint("Run: ", Command("verify"), ". If the log is intact, report this as a defect."),
    )


def event_lines(
    connection: Connection, selection: Selection, part: Slice
) -> Generator[str, None, None]:
    """The events of a slice as lines of COPY text: the position and the input of a projector.

    The account whose rows the event changes replaces the stream id.
    """

    def lines(which: str) -> Iterator[str]:
        log = _WHOLE if selection.tokens else _WITHOUT_TOKENS
        statement = _READ.format(
            account=_ACCOUNT, slice=part.condition(_ACCOUNT), which=which, **log
        )
        return copy_lines(connection, statement)

    with connection.transaction():
        # The planner cannot estimate the rows of a slice, and would sort them all. They are
        # stored almost in the order of the primary key, so an index scan is cheaper.
        connection.execute("SET LOCAL enable_sort = off")
        connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        # JIT compilation takes longer than it saves.
        connection.execute("SET LOCAL jit = off")
        # With this, the cast to timestamp gives UTC; it is cheaper than AT TIME ZONE.
        connection.execute("SET LOCAL TIME ZONE 'UTC'")
        named = ",".join(map(str, selection.releases or ()))
        releases = list(lines(f"e.position = ANY ('{{{named}}}'::bigint[])")) if named else []
        # Merged here, since the server would sort them all.
        yield from heapq.merge(releases, lines(selection.condition), key=_position)


def _position(line: str) -> int:
    return int(line[: line.index("\t")])


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Disables the cyclic garbage collector within the block.

    A replay creates a million small objects without cycles: the search for cycles would take
    long and find nothing.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
