"""Compares the tables with the log in one snapshot, with several processes for a long log.

Differing rows are counted, listed, and kept in temporary files for a repair.
"""

import contextlib
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

from projections import TABLES
from projections.positions import TABLE as POSITIONS
from registry.database.connection import (
    Connection,
    is_pooled,
    may_read_tokens,
    registry_errors,
)
from registry.database.copy_out import copy_lines
from registry.database.processes import run_processes
from registry.database.queries import load_queries
from registry.database.snapshot import begin_reading
from registry.database.target import Target
from registry.database.watched import address_of_same_server
from registry.errors import LogContradictsItself
from registry.events.registry import TableRepair
from registry.log.reading import log_size
from registry.rebuild.differences import LISTED, RowDrift
from registry.rebuild.judging import Skipped, judge, rows_fit
from registry.rebuild.readiness import refuse_other_rebuilds
from registry.rebuild.repair_rows import RepairKind, Repairs
from registry.rebuild.replay import EVENTS_PER_SLICE, replay_in_slices, select_events
from registry.rebuild.worker import Message, SliceTask, examine_apart, examine_slices, rows_that_fit

_QUERIES = load_queries("registry.rebuild", "rebuild.sql")

WORTH_A_PROCESS: Final = 50_000
"""The number of events from which several processes are faster than one."""

Progress = Callable[[int, int], None]
"""Called with the number of replayed events, and the number of all events."""


@dataclass(frozen=True, slots=True)
class Options:
    """Tuning of a rebuild."""

    workers: int | None = None
    """Number of processes; None: one for each core up to two, and one for a short log."""
    events_per_slice: int = EVENTS_PER_SLICE
    every: bool = False
    """Whether to replay every event, and so to judge each release."""


@dataclass(slots=True)
class Report:
    """The differences between the tables and the log."""

    size: int = 0
    """The number of events in the log."""
    replayed: int = 0
    """The number of events that were replayed: of the releases only the newest matter."""
    rows: int = 0
    """The number of rows in the tables."""
    seconds: float = 0.0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(table, kind) -> number of rows that differ."""
    listed: list[RowDrift] = field(default_factory=list)
    """The first differing rows."""
    tokens: bool = True
    """Whether the encrypted fields were compared too; not every role may read them."""
    adoption_pending: bool = False
    """Whether there are rows from before the registry; they are not damage."""
    skipped: list[Skipped] = field(default_factory=list)
    """Events that do not count: no row reflects them."""
    unknown_links: int = 0
    """The number of positions whose owner the log lacks (the bot may set it)."""

    @property
    def differing(self) -> int:
        """The number of rows that differ from the log."""
        return sum(self.counts.values())

    @property
    def extra(self) -> int:
        """The number of rows that the log does not know; a repair deletes them."""
        return sum(count for (_, kind), count in self.counts.items() if kind == "extra")

    def by_table(self) -> dict[str, TableRepair]:
        """The counts of each table that differs."""
        tables = sorted({table for table, _ in self.counts})
        kinds = ("missing", "extra", "changed")
        return {t: TableRepair(**{kind: self.counts[t, kind] for kind in kinds}) for t in tables}


@dataclass(frozen=True, slots=True)
class Watch:
    """Callbacks of the caller during a rebuild."""

    progress: Progress = lambda _done, _total: None
    """Called with the number of replayed events, and the number of all events."""
    approve: Callable[[Report], None] = lambda _report: None
    """Called before rows are repaired; raises to prevent it."""


class Comparison:
    """The result of a comparison; owns temporary files until it is closed."""

    def __init__(self, watch: Watch) -> None:
        self.report = Report()
        self.links: dict[str, str | None] = {}
        """Position -> owner, for each position that the log names."""
        self.link_repairs: set[str] = set()
        self.unknown_links: set[str] = set()
        self.extra: list[tuple[str, str]] = []
        self.repairs: list[Repairs] = []
        """The rows to repair, by worker; closed with the comparison."""
        self.late: dict[str, set[bytes]] = defaultdict(set)
        """Table -> keys of the rows that events since the comparison have changed."""
        self._watch = watch
        self._passed = 0
        self.slices = 1
        """The number of slices of the log."""

    def take(self, message: Message) -> None:
        """Handles a message of a worker; see `examine_slices`."""
        value: Any = message[1]
        match message[0]:
            case "progress":
                self._passed += value
                self._watch.progress(self._passed // self.slices, self.report.size)
            case "drift":
                self._list(value)
            case "counts":
                self.report.counts.update(value)
            case "links":
                for position, owner in value.items():
                    # A moved position is in two slices: in one without an owner, in one with it.
                    self.links[position] = owner or self.links.get(position)
            case "rows":
                self.report.rows += value

    def found(self, row: RowDrift) -> None:
        """Counts a row that differs, and lists it if there is room."""
        self.report.counts[row.table, row.kind] += 1
        self._list(row)

    def blocks(
        self, kind: RepairKind, *, but: Mapping[str, AbstractSet[bytes]] | None = None
    ) -> dict[str, Iterator[bytes]]:
        """Table -> correct rows in blocks of COPY text, without those of the keys in `but`."""
        left_out = but or {}

        def blocks_of(name: str) -> Iterator[bytes]:
            for repairs in self.repairs:
                yield from repairs.blocks(name, kind, but=left_out.get(name, frozenset()))

        return {table.name: blocks_of(table.name) for table in TABLES if not table.partial}

    @property
    def anything_to_do(self) -> bool:
        """Whether a rebuild would write anything."""
        return bool(self.report.differing or self.unknown_links)

    def close(self) -> None:
        """Deletes the temporary files."""
        for repairs in self.repairs:
            repairs.close()

    def _list(self, row: RowDrift) -> None:
        if len(self.report.listed) < LISTED:
            self.report.listed.append(row)
        if row.kind == "extra":
            self.extra.append((row.table, row.key))


@contextlib.contextmanager
def compared(
    connection: Connection,
    watch: Watch,
    options: Options,
    *,
    exists: bool = True,
    judged: bool = False,
    inside: bool = False,
) -> Iterator[Comparison]:
    """The comparison of the tables with the log in one snapshot.

    `exists` says whether the tables exist; without them every row is missing. If the replay
    fails at an event, the events are judged first. A caller whose rows the tables refused asks
    for this with `judged`. With `inside` it reads in the caller's transaction, which has locked
    the log; other processes would not see that transaction's tables.

    Raises:
        RebuildRunning: another rebuild of this database is running.
        LogContradictsItself: the events that count cannot be replayed either.
        SchemaTooNew: an event was written by a newer version of this program.
    """
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        with registry_errors(connection):
            if not inside:
                begin_reading(connection)
                refuse_other_rebuilds(connection)
            whole = _Whole(connection, watch, options, log_size(connection), exists)
            skipped = whole.judged() if judged else []
            try:
                comparison = stack.enter_context(whole.comparison(skipped))
            except LogContradictsItself:
                if judged or not (skipped := whole.judged()):
                    raise
                comparison = stack.enter_context(whole.comparison(skipped))
            if not inside:
                connection.execute("COMMIT")
        comparison.report.seconds = time.monotonic() - started
        yield comparison


@contextlib.contextmanager
def examined(connection: Connection, watch: Watch, options: Options) -> Iterator[Comparison]:
    """The comparison without a repair, which would detect rows that the tables refuse.

    If rows differ, it checks whether the tables can hold the rows of the log. If they cannot,
    the events are judged.
    """
    with contextlib.ExitStack() as stack:
        comparison = stack.enter_context(compared(connection, watch, options))
        report = comparison.report
        if report.differing and not report.skipped:
            with registry_errors(connection):
                selection = select_events(
                    connection, report.size, tokens=report.tokens, every=options.every
                )
                slices = replay_in_slices(connection, selection, options.events_per_slice)
                fits = rows_fit(connection, slices)
            if not fits:
                judging = compared(connection, watch, options, judged=True)
                comparison = stack.enter_context(judging)
        yield comparison


@dataclass(frozen=True, slots=True)
class _Whole:
    """The input of a comparison, in one snapshot."""

    connection: Connection
    watch: Watch
    options: Options
    size: int
    exists: bool

    def judged(self) -> list[Skipped]:
        """The events that do not count."""
        return judge(self.connection, self.size, tokens=may_read_tokens(self.connection))

    @contextlib.contextmanager
    def comparison(self, skipped: list[Skipped]) -> Iterator[Comparison]:
        with contextlib.closing(Comparison(self.watch)) as comparison:
            report = comparison.report
            report.skipped = skipped
            report.tokens = may_read_tokens(self.connection)
            _examine(self.connection, comparison, self.size, self.options, exists=self.exists)
            with rows_that_fit(self.connection):
                _compare_links(self.connection, comparison, exists=self.exists)
            yield comparison


def _examine(
    connection: Connection, comparison: Comparison, size: int, options: Options, *, exists: bool
) -> None:
    report = comparison.report
    selection = select_events(
        connection,
        size,
        tokens=report.tokens,
        skipped=[event.position for event in report.skipped],
        every=options.every,
    )
    events = selection.events
    # The pool of a pooler may be too small for several sessions.
    several = events >= WORTH_A_PROCESS and not is_pooled(connection)
    workers = options.workers or (min(2, os.cpu_count() or 1) if several else 1)
    rounds = -(-events // (workers * options.events_per_slice)) or 1
    comparison.slices = workers * rounds
    report.size, report.replayed = size, events
    comparison.repairs = [Repairs() for _ in range(workers)]
    tasks = [
        SliceTask(
            repairs,
            selection,
            range(first, comparison.slices, workers),
            comparison.slices,
            exists,
        )
        for first, repairs in enumerate(comparison.repairs)
    ]
    if workers == 1:
        examine_slices(connection, tasks[0], comparison.take)
        return
    target = Target(address_of_same_server(connection))
    messages = run_processes(connection, target, examine_apart, tasks)
    with contextlib.closing(messages):
        for message in messages:
            comparison.take(message)


def _compare_links(connection: Connection, comparison: Comparison, *, exists: bool) -> None:
    """Compares the owners of positions; their table is the bot's, only this column is ours."""
    links = comparison.links
    if not exists:
        comparison.link_repairs = {position for position, owner in links.items() if owner}
        return
    extra_accounts = {key for table, key in comparison.extra if table == "accounts"}
    owned: set[str] = set()
    statement = (
        "COPY (SELECT p.id, p.account_id FROM public.strategy_positions AS p"
        " WHERE p.account_id IS NOT NULL) TO STDOUT"
    )
    for line in copy_lines(connection, statement):
        position, owner = line.rstrip("\n").split("\t")
        owned.add(position)
        if position not in links and owner not in extra_accounts:
            comparison.unknown_links.add(position)
        elif links.get(position) != owner:
            links.setdefault(position, None)
            _found_link(comparison, position, owner)
    absent = [position for position, owner in links.items() if owner and position not in owned]
    unowned = connection.execute(_QUERIES["unowned_positions"], {"positions": absent})
    for (position,) in unowned:
        _found_link(comparison, position, None)
    comparison.report.unknown_links = len(comparison.unknown_links)


def _found_link(comparison: Comparison, position: str, owner: str | None) -> None:
    comparison.link_repairs.add(position)
    columns = {"account_id": (owner, comparison.links[position])}
    comparison.found(RowDrift(POSITIONS.name, "changed", position, None, columns))
