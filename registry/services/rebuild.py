"""Compares the tables with the log, and repairs them: `rebuild` and `rebuild --check`.

Everything is read in one snapshot, by several processes if that pays; what differs is
kept in temporary files. Then one short transaction takes the append lock, follows the
events that came since, and merges the differences.
"""

import contextlib
import hashlib
import os
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import psycopg

from projections import TABLES, project
from projections.accounts import TABLE as ACCOUNTS
from projections.copy_out import copy_lines
from projections.drift import LISTED, RowDrift
from projections.memory_sink import Rows, apply_to_memory
from projections.merge import SHADOW, copy_in, fill_shadow, follow, make_shadow, merge
from projections.positions import TABLE as POSITIONS
from projections.repairs import RepairKind, Repairs
from projections.rows import Delete, PatchAll, RowChange
from registry.clock import now
from registry.database.connection import Connection, Database, registry_errors
from registry.database.errors import STALE_VERSION
from registry.database.queries import load_queries
from registry.decisions.position import parts
from registry.errors import PermissionDenied, RebuildRunning
from registry.events.base import EventModel
from registry.events.position import PositionsLinked
from registry.events.registry import ProjectionsRebuilt, TableRepair
from registry.events.stored import StoredEvent, Stream
from registry.log.append import CommandRecord, NewEvent, send_append
from registry.log.ids import REGISTRY_STREAM, new_id
from registry.services.adoption_state import adoption_pending, refuse_while_pending
from registry.services.executor import Invocation
from registry.services.privileges import may_read_tokens
from registry.services.rebuild_worker import Message, SliceTask, examine_slices
from registry.services.workers import run_processes

_QUERIES = load_queries("registry.services", "rebuild.sql")

EVENTS_PER_SLICE: Final = 750_000
"""Bounds the memory: a worker never holds more rows than this many events make."""
WORTH_A_PROCESS: Final = 50_000
"""Below so many events, starting processes takes longer than they save."""

Step = Callable[[Connection], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How a rebuild goes about it."""

    workers: int | None = None
    """Processes; None: as many as there are cores, two at most, and one for a short log."""
    events_per_slice: int = EVENTS_PER_SLICE


@dataclass(slots=True)
class Report:
    """How the tables differ from the log."""

    size: int = 0
    """How many events were replayed."""
    rows: int = 0
    """How many rows the tables have."""
    seconds: float = 0.0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(table, kind) -> rows that differ."""
    listed: list[RowDrift] = field(default_factory=list)
    """The first of them."""
    tokens: bool = True
    """Whether the encrypted fields were compared too: not every role may read them."""
    adoption_pending: bool = False
    """Whether there are rows from before the registry, which are no damage."""
    unknown_links: int = 0
    """Positions with an owner of which the log has never heard (the bot may set it)."""

    @property
    def differing(self) -> int:
        """How many rows are not what the log says."""
        return sum(self.counts.values())

    @property
    def extra(self) -> int:
        """How many rows are there that the log does not know: repairing deletes them."""
        return sum(count for (_, kind), count in self.counts.items() if kind == "extra")

    def by_table(self) -> dict[str, TableRepair]:
        """The counts of each table that differs."""
        tables = sorted({table for table, _ in self.counts})
        kinds = ("missing", "extra", "changed")
        return {t: TableRepair(**{kind: self.counts[t, kind] for kind in kinds}) for t in tables}


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did."""

    report: Report
    position: int | None = None
    """Where the log says so; None if there was nothing to do."""
    tail: int = 0
    """How many events came while the log was replayed."""
    links_recorded: int = 0
    locked_seconds: float = 0.0
    """How long appends had to wait."""


def _ignore(*_: Any) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Watch:
    """How the caller follows a rebuild."""

    progress: Progress = _ignore
    """Told how many events were replayed, and of how many."""
    approve: Callable[[Report], None] = _ignore
    """Asked before rows are repaired; raises to prevent it."""


class Comparison:
    """What a comparison found; holds temporary files until it is closed."""

    def __init__(self, watch: Watch) -> None:
        self.report = Report()
        self.links: dict[str, str | None] = {}
        """The owner of each position that the log names."""
        self.link_repairs: set[str] = set()
        self.unknown_links: set[str] = set()
        self.extra: list[tuple[str, str]] = []
        self.repairs: list[Repairs] = []
        """What each worker has found; closed with the comparison."""
        self.late: dict[str, set[bytes]] = defaultdict(set)
        """By table, the keys of the rows that events since the comparison have changed."""
        self._watch = watch
        self._passed = 0
        self._slices = 1

    def expect(self, size: int, slices: int) -> None:
        """Says how much will be told."""
        self.report.size = size
        self._slices = slices

    def take(self, message: Message) -> None:
        """Takes what a worker tells; see `examine_slices`."""
        if "progress" in message:
            self._passed += message["progress"]
            self._watch.progress(self._passed // self._slices, self.report.size)
        elif "drift" in message:
            self._list(RowDrift(**message["drift"]))
        elif "counts" in message:
            for table, kind, rows in message["counts"]:
                self.report.counts[table, kind] += rows
        elif "links" in message:
            for position, owner in message["links"].items():
                # A position that moved is in two slices: given up in one, owned in the other.
                self.links[position] = owner or self.links.get(position)
        elif "rows" in message:
            self.report.rows += message["rows"]

    def found(self, row: RowDrift) -> None:
        """Counts a row that differs, and lists it if there is room."""
        self.report.counts[row.table, row.kind] += 1
        self._list(row)

    def blocks(
        self, kind: RepairKind, *, but: Mapping[str, AbstractSet[bytes]] | None = None
    ) -> dict[str, Iterator[bytes]]:
        """By table, rows as they should be, as blocks of COPY text; not those of some keys."""
        left_out = but or {}
        return {
            table.name: self._blocks(table.name, kind, left_out.get(table.name, frozenset()))
            for table in TABLES
            if not table.partial
        }

    def _blocks(self, table: str, kind: RepairKind, but: AbstractSet[bytes]) -> Iterator[bytes]:
        for repairs in self.repairs:
            yield from repairs.blocks(table, kind, but=but)

    @property
    def anything_to_do(self) -> bool:
        """Whether a rebuild would write."""
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


class RebuildService:
    """Checks and repairs the tables of one database."""

    def __init__(self, database: Database, options: Options | None = None) -> None:
        self._database = database
        self._options = options or Options()

    def check(self, watch: Watch | None = None) -> Report:
        """How the tables differ from the log; writes nothing at all.

        Raises:
            RebuildRunning: another rebuild of this database is at work.
            LogContradictsItself: the log cannot be replayed.
        """
        with (
            self._database.connection() as connection,
            alone(connection),
            compared(connection, watch or Watch(), self._options) as comparison,
        ):
            comparison.report.adoption_pending = adoption_pending(connection)
            return comparison.report

    def rebuild(self, invocation: Invocation, watch: Watch | None = None) -> Rebuilt:
        """Makes the tables what the log says, and records links that it did not know.

        Raises:
            RebuildRunning: another rebuild of this database is at work.
            LogContradictsItself: the log cannot be replayed.
            AdoptionPending: there are rows from before the registry.
            PermissionDenied: the role may compare only.
            RegistryError: whatever `watch.approve` raises; nothing was changed then.
        """
        watch = watch or Watch()
        with (
            self._database.connection() as connection,
            alone(connection),
            _able_to_repair(connection),
            compared(connection, watch, self._options) as comparison,
        ):
            refuse_while_pending(connection)
            if not comparison.anything_to_do or invocation.dry_run:
                return Rebuilt(comparison.report)
            watch.approve(comparison.report)
            return apply(connection, comparison, invocation)


@contextlib.contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Makes sure that no other rebuild of the database is at work.

    Raises:
        RebuildRunning: one is.
    """
    with registry_errors(connection):
        (got,) = connection.execute(_QUERIES["try_lock"]).fetchone() or (False,)
    if not got:
        raise RebuildRunning(
            "another rebuild of this database is at work",
            hint="Wait until it has ended; it leaves nothing behind if it is stopped.",
        )
    try:
        yield
    finally:
        if not connection.closed and not connection.broken:
            with registry_errors(connection):
                connection.execute(_QUERIES["unlock"])


@contextlib.contextmanager
def _able_to_repair(connection: Connection) -> Iterator[None]:
    with registry_errors(connection):
        able = may_read_tokens(connection)
    if not able:
        raise PermissionDenied(
            "this database role may compare the tables with the log, and not repair them",
            hint="Use rebuild --check, or a login that is a member of registry_operator.",
        )
    yield


@contextlib.contextmanager
def compared(
    connection: Connection, watch: Watch, options: Options, *, exists: bool = True
) -> Iterator[Comparison]:
    """The comparison of the tables with the log in one snapshot.

    `exists` says whether there are tables; without them every row is missing.
    """
    started = time.monotonic()
    with contextlib.closing(Comparison(watch)) as comparison:
        with registry_errors(connection):
            connection.execute(_QUERIES["begin_snapshot"])
            size, snapshot = connection.execute(_QUERIES["snapshot"]).fetchone() or (0, "")
            comparison.report.tokens = may_read_tokens(connection)
            _examine(connection, snapshot, comparison, size, options, exists=exists)
            _compare_links(connection, comparison, exists=exists)
            connection.execute("COMMIT")
        comparison.report.seconds = time.monotonic() - started
        yield comparison


def _examine(
    connection: Connection,
    snapshot: str,
    comparison: Comparison,
    size: int,
    options: Options,
    *,
    exists: bool,
) -> None:
    workers = options.workers or (min(2, os.cpu_count() or 1) if size >= WORTH_A_PROCESS else 1)
    rounds = -(-size // (workers * options.events_per_slice)) or 1
    slices = workers * rounds
    comparison.expect(size, slices)
    tasks = [
        SliceTask(
            size,
            list(range(first, slices, workers)),
            slices,
            exists,
            tokens=comparison.report.tokens,
        )
        for first in range(workers)
    ]
    for _ in tasks:
        comparison.repairs.append(Repairs.temporary())
    if workers == 1:
        examine_slices(connection, tasks[0], comparison.repairs[0], comparison.take)
    else:
        by_files = dict(zip(comparison.repairs, tasks, strict=True))
        run_processes(connection, snapshot, by_files, comparison.take)


def _compare_links(connection: Connection, comparison: Comparison, *, exists: bool) -> None:
    """Compares the owners of positions: their table is the bot's, and only the owner is ours."""
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


def apply(
    connection: Connection,
    comparison: Comparison,
    invocation: Invocation,
    *,
    before: Step = _ignore,
    after: Step = _ignore,
) -> Rebuilt:
    """Merges what a comparison found, in one transaction.

    `before` and `after` belong to the same transaction: bringing the schema up makes the
    tables and fills them at once, so that nobody ever sees them empty.
    """
    with registry_errors(connection):
        connection.execute("BEGIN")
        make_shadow(connection)
        fill_shadow(connection, comparison.blocks("changed"), comparison.extra)
        before(connection)
        record = _record(comparison, invocation)
        started = time.monotonic()
        # From here to the commit, appends wait.
        event = ProjectionsRebuilt(size=comparison.report.size, tables=comparison.report.by_table())
        position = append(connection, record, 0, REGISTRY_STREAM, event)
        tail = follow_tail(connection, comparison)
        owners = {
            key: {"id": key, "account_id": comparison.links[key]} for key in comparison.link_repairs
        }
        missing = comparison.blocks("missing", but=comparison.late)
        merge(connection, missing, {POSITIONS: owners})
        recorded = _record_links(connection, comparison, record)
        after(connection)
        connection.execute("COMMIT")
    return Rebuilt(
        comparison.report,
        position=position,
        tail=tail,
        links_recorded=recorded,
        locked_seconds=time.monotonic() - started,
    )


def _record(comparison: Comparison, invocation: Invocation) -> CommandRecord:
    content = {"verb": "rebuild", "size": comparison.report.size}
    digest = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()
    command_id = invocation.command_id or new_id()
    return CommandRecord(command_id, digest, invocation.actor, invocation.reason, now())


def append(
    connection: Connection, record: CommandRecord, index: int, stream: Stream, event: EventModel
) -> int:
    """Appends an event at the end of its stream, whatever is there, and gives its position."""
    parameters = {"stream_type": stream.type, "stream_id": stream.id}
    while True:
        (version,) = connection.execute(_QUERIES["stream_version"], parameters).fetchone() or (0,)
        new = NewEvent(stream, version + 1, event)
        try:
            with connection.transaction():  # a savepoint: all that was done before stays
                (position,) = send_append(connection, record, index, new).fetchone() or (-1,)
                return int(position)
        except psycopg.DatabaseError as error:
            # Somebody else appended to the stream before the lock was ours: such as a
            # rotation of the master key, whose events are in the registry's stream too.
            if error.sqlstate != STALE_VERSION:
                raise


def follow_tail(connection: Connection, comparison: Comparison, *, shadow: bool = True) -> int:
    """Makes what came after the comparison part of it, and says how many events that were.

    `shadow` says whether the tables of `merge` are to follow too.
    """
    links: Rows = {
        POSITIONS.name: {key: {"account_id": owner} for key, owner in comparison.links.items()}
    }
    tail = connection.execute(_QUERIES["tail"], {"size": comparison.report.size}).fetchall()
    projected = [project(StoredEvent(*row)) for row in tail]
    changes = [change for change in projected if change is not None]
    if shadow:
        _hold_back(connection, comparison, changes)
    for change in changes:
        if change.table.partial:
            apply_to_memory(links, change)
        elif shadow:
            follow(connection, change)
        if isinstance(change, Delete) and change.table == ACCOUNTS:
            for link in links[POSITIONS.name].values():
                if link["account_id"] == change.key:
                    link["account_id"] = None
    comparison.links = {key: row["account_id"] for key, row in links[POSITIONS.name].items()}
    # The last event is the rebuild's own.
    return len(tail) - 1


def _hold_back(
    connection: Connection, comparison: Comparison, changes: Iterable[RowChange]
) -> None:
    """Puts missing rows into the shadow that the tail changes, so that it changes them there."""
    for change in changes:
        if not change.table.partial:
            keys = change.keys if isinstance(change, PatchAll) else (change.key,)
            comparison.late[change.table.name].update(key.encode() for key in keys)
    for table in TABLES:
        if late := comparison.late.get(table.name):
            for repairs in comparison.repairs:
                copy_in(
                    connection,
                    table,
                    repairs.lines_of(table.name, "missing", late),
                    schema=SHADOW,
                )


def _record_links(connection: Connection, comparison: Comparison, record: CommandRecord) -> int:
    """Records owners that the bot has set and no event has told of."""
    unknown = list(comparison.unknown_links - comparison.links.keys())
    owners = connection.execute(_QUERIES["linked_positions"], {"positions": unknown}).fetchall()
    return record_links(connection, record, dict(owners), first_index=1)


def record_links(
    connection: Connection,
    record: CommandRecord,
    owners: dict[uuid.UUID, list[uuid.UUID]],
    *,
    first_index: int,
) -> int:
    """Appends PositionsLinked events for owners that the table has already."""
    index = first_index
    for account_id, positions in owners.items():
        for part in parts(positions):
            event = PositionsLinked(positions=part)
            append(connection, record, index, Stream("account", account_id), event)
            index += 1
    return sum(len(positions) for positions in owners.values())
