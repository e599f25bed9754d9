"""Verifies the whole log, and the tables that follow from it, without trusting the database.

Every event is read and hashed here, or every event since a checkpoint. Several processes
verify stretches of the log; their results are joined in the order of the log.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, cast
from uuid import UUID

from registry.database.connection import Connection, Database, is_pooled, registry_errors
from registry.database.objects import differences
from registry.database.processes import run_processes
from registry.database.queries import load_queries
from registry.database.snapshot import one_moment
from registry.database.target import Target
from registry.encryption.key_source import load_keyring
from registry.encryption.keyring import MasterKeyring
from registry.errors import LogContradictsItself, LogRewritten
from registry.events.stored import Stream, StreamType
from registry.log.chunk import CHUNK, Joiner
from registry.log.findings import Failure, LoggedVersion
from registry.log.reading import send_versions, versions_of
from registry.log.tree import Head, read_former_head, read_head
from registry.plurals import counted
from registry.proofs.checkpoint import Checkpoint
from registry.services.audit.checkpoints import check_continues
from registry.services.audit.guards import renamed_exchanges, unnamed_keys
from registry.services.audit.verify_worker import Portion, Stretch, check_share, check_stretch

_QUERIES = load_queries("registry.services.audit", "verification.sql")
_PARALLEL_FROM = 2 * CHUNK
MAX_PROCESSES = 8
_BESIDE_THE_LOG: Final = {"projections": "tables", "exchanges": "tables", "views": "views"}
"""The checks of what is no part of the log, and what they check."""

StageProgress = Callable[[str, int, int], None]
"""Called with the name of the stage, the amount done, and the total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The scope of a verification."""

    against: Sequence[Checkpoint] = ()
    """Checkpoints with verified signatures."""
    since: Sequence[Checkpoint] = ()
    """Such checkpoints too. Only the events since the newest one are read, and no tables."""
    with_keys: bool = True
    """Whether to unwrap every data key too, which needs the master key."""
    keyring: MasterKeyring | None = None
    """Master keys for this process only; by default each process reads the environment."""
    with_projections: bool = True
    processes: int | None = None
    """None: one process for each processor, up to a limit; one behind a pooler."""


@dataclass(slots=True)
class Verdict:
    """The result of a verification, with all failures."""

    events: int
    root: bytes
    first: int = 0
    """The position of the first event that was read; the log has all `events`."""
    failures: list[Failure] = field(default_factory=list)
    more_failures: int = 0
    """Failures beyond those that are listed."""
    data_keys: int = 0
    """Number of data keys that a master key unwraps."""
    unopened_data_keys: int = 0
    """Number of existing data keys that no available master key unwraps."""
    checkpoints: int = 0

    @property
    def beside_the_log(self) -> list[str]:
        """What does not follow from a log that itself is sound; nothing if the log is not."""
        checks = {failure.check for failure in self.failures}
        sound = checks <= _BESIDE_THE_LOG.keys()
        return sorted({_BESIDE_THE_LOG[check] for check in checks}) if sound else []


def verify(
    database: Database,
    target: Target,
    extent: Extent,
    progress: StageProgress = lambda _stage, _done, _total: None,
) -> Verdict:
    """Verifies the log, the data keys and the checkpoints in one snapshot, and then the tables.

    Raises:
        LogRewritten: the log has no head.
        RebuildRunning: the tables are being repaired.
        MasterKeyMissing, MasterKeyMalformed: there is no valid master key for `with_keys`.
        DatabaseUnavailable: the connection was lost.
    """
    with_tables = extent.with_projections and not extent.since
    with database.connection() as connection, registry_errors(connection), one_moment(connection):
        head = read_head(connection)
        base = _base(connection, extent.since, head)
        verdict = Verdict(head.size, head.root, base.size)
        joiner = _verify_log(connection, target, extent, head, base, verdict, progress)
        verdict.failures += joiner.failures
        verdict.failures += _verify_head(connection, head, joiner)
        checkpoints = list(dict.fromkeys([*extent.against, *extent.since]))
        verdict.failures += _verify_checkpoints(connection, checkpoints, head)
        verdict.checkpoints = len(checkpoints)
        # Through a view that was changed, a reader sees another log.
        changed = [d for d in differences(connection) if d.key.kind == "view"]
        verdict.failures += [Failure("views", str(view)) for view in changed]
        if with_tables:
            _verify_no_key_is_left(connection, verdict)
            verdict.failures += [
                Failure("exchanges", text, position)
                for position, text in renamed_exchanges(connection)
            ]
    if with_tables:
        verdict.failures += _verify_tables(database, functools.partial(progress, "tables"))
    verdict.failures.sort(key=lambda f: head.size if f.position is None else f.position)
    return verdict


def _base(connection: Connection, checkpoints: Sequence[Checkpoint], head: Head) -> Head:
    """The head of the log at the newest checkpoint.

    It has no events if the log does not continue the checkpoint: then all events are read, to find
    the fault.
    """
    newest = max(checkpoints, key=lambda c: c.size, default=None)
    if newest is not None and newest.size <= head.size:
        with contextlib.suppress(LogRewritten):
            base = read_former_head(connection, newest.size)
            if base.root == newest.root:
                return base
    return Head(0, [])


def _verify_log(
    connection: Connection,
    target: Target,
    extent: Extent,
    head: Head,
    base: Head,
    verdict: Verdict,
    progress: StageProgress,
) -> Joiner:
    joiner = Joiner(base.peaks[: (base.size // CHUNK).bit_count()])
    lacking: list[LoggedVersion] = []
    destroyed: set[str] = set()
    for stretch in _stretches(connection, target, extent, head.size, base):
        if base.size:
            new = stretch.log.first_versions.keys() - joiner.versions.keys()
            joiner.versions.update(_versions_before(connection, new, base.size))
        joiner.add(stretch.log)
        verdict.failures += stretch.log.failures
        verdict.more_failures += stretch.log.more_failures
        verdict.data_keys += stretch.keys
        verdict.unopened_data_keys += stretch.unopened
        lacking += stretch.lacking
        destroyed |= stretch.log.destroyed
        progress("events", stretch.log.end, head.size)
    verdict.failures += [_lost(key) for key in lacking if key.data_key_id not in destroyed]
    return joiner


def _stretches(
    connection: Connection, target: Target, extent: Extent, size: int, base: Head
) -> Iterator[Stretch]:
    start = base.size // CHUNK * CHUNK
    ranges = [(first, min(first + CHUNK, size)) for first in range(start, size, CHUNK)]
    several = 1 if is_pooled(connection) else min(MAX_PROCESSES, os.cpu_count() or 1)
    processes = extent.processes or several
    if processes == 1 or extent.keyring is not None or size - start < _PARALLEL_FROM:
        keyring = (extent.keyring or load_keyring()) if extent.with_keys else None
        for first, end in ranges:
            yield check_stretch(connection, keyring, first, end, base)
        return
    count = min(processes, len(ranges))
    shares = [Portion(ranges[first::count], extent.with_keys, base) for first in range(count)]
    stretches = run_processes(connection, target, check_share, shares)
    arrived: dict[int, Stretch] = {}
    reached = start
    with contextlib.closing(stretches):
        for stretch in stretches:
            arrived[stretch.log.first] = stretch
            while (ready := arrived.pop(reached, None)) is not None:
                reached = ready.log.end
                yield ready


def _versions_before(
    connection: Connection, streams: Iterable[bytes], position: int
) -> Iterator[tuple[bytes, int]]:
    """The version of each stream before a position. A stream is its type and id, as in a leaf."""
    named = {
        Stream(cast("StreamType", key[:-20].decode(errors="replace")), UUID(bytes=key[-16:])): key
        for key in streams
    }
    found = versions_of(send_versions(connection, list(named), position))
    return ((named[stream], version) for stream, version in found.items())


def _lost(version: LoggedVersion) -> Failure:
    message = (
        f"the data key of version {version.version} of credential {version.credential_id} "
        "is missing, and no event says that it was destroyed"
    )
    return Failure("data keys", message, version.position)


def _verify_no_key_is_left(connection: Connection, verdict: Verdict) -> None:
    left = unnamed_keys(connection)
    verdict.failures += [Failure("data keys", text) for text in left.listed]
    verdict.more_failures += left.count - len(left.listed)


def _verify_head(connection: Connection, head: Head, joiner: Joiner) -> Iterator[Failure]:
    if None not in joiner.nodes and joiner.nodes != head.peaks:
        yield Failure("head", f"the head does not follow from the {counted(head.size, 'event')}")
    beyond = connection.execute(_QUERIES["beyond_head"], {"size": head.size}).fetchone()
    if beyond is not None:
        message = f"there are events beyond the head, which says that there are {head.size}"
        yield Failure("head", message, beyond[0])


def _verify_checkpoints(
    connection: Connection, checkpoints: Sequence[Checkpoint], head: Head
) -> Iterator[Failure]:
    for old in checkpoints:
        try:
            check_continues(connection, old, Checkpoint(old.origin, head.size, head.root))
        except LogRewritten as error:
            yield Failure("checkpoints", error.message, min(old.size, head.size))


def _verify_tables(database: Database, progress: Callable[[int, int], None]) -> Iterator[Failure]:
    """A failure for each row that differs from the log, and each event that does not count."""
    # Imported here, since these modules import half of the program.
    from registry.rebuild.comparison import Options, Watch
    from registry.rebuild.readiness import PENDING
    from registry.rebuild.rebuild import RebuildService

    try:
        report = RebuildService(database, Options(every=True)).check(Watch(progress))
    except LogContradictsItself as error:
        yield Failure("projections", error.message)
        return
    if report.adoption_pending:
        yield Failure("projections", f"{PENDING}: take them in with adopt")
    yield from (Failure("events", str(event), event.position) for event in report.skipped)
    yield from (Failure("projections", str(row)) for row in report.listed)
    unlisted = report.differing - len(report.listed)
    if unlisted > 0:
        yield Failure("projections", f"{counted(unlisted, 'more row')} not as the log says")
