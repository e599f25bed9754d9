"""The part of one process in a verification: stretches of the log, and their data keys."""

import gc
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import sql
from psycopg.rows import TupleRow

from registry.database.connection import Connection
from registry.database.copy_out import copy_out
from registry.database.queries import load_queries
from registry.encryption.key_source import load_keyring
from registry.encryption.keyring import MasterKeyring
from registry.errors import CannotDecrypt, MasterKeyWrong
from registry.log.chunk import GROUP, check_rows
from registry.log.findings import ChunkReport, LoggedVersion
from registry.log.rows import copy_rows
from registry.log.tree import Head

_QUERIES = load_queries("registry.services.audit", "verification.sql")


@dataclass(frozen=True, slots=True)
class Portion:
    """The part of one process: (first position, end) of its stretches."""

    stretches: Sequence[tuple[int, int]]
    with_keys: bool
    base: Head


@dataclass(slots=True)
class Stretch:
    """The result for a stretch of the log, its data keys included."""

    log: ChunkReport
    lacking: list[LoggedVersion] = field(default_factory=list)
    """Versions whose data key does not exist: destroyed on purpose, or lost."""
    keys: int = 0
    """Number of data keys that were unwrapped."""
    unopened: int = 0
    """Number of data keys whose master key is not available."""


def check_stretch(
    connection: Connection, keyring: MasterKeyring | None, first: int, end: int, base: Head
) -> Stretch:
    """Checks the events from `first` up to but without `end`, and the data keys that they name.

    It leaves out the events of `base`, the head of the log when a checkpoint was signed.
    """
    start = max(first, base.size)
    # The rest of a group that is begun, and then whole groups.
    middle = min(-(-start // GROUP) * GROUP, end)
    rows = copy_rows(connection, middle, end, GROUP)
    if start < middle:
        rows = itertools.chain(copy_rows(connection, start, middle, GROUP), rows)
    before = base.peaks[len(base.peaks) - (start - first).bit_count() :]
    report = check_rows(rows, first, end, start, before)
    stretch = Stretch(report)
    sealed, report.sealed = report.sealed, []
    if keyring is None:
        known = _known_versions(connection, sealed)
        unknown = [entry for entry in sealed if entry[1] not in known]
        stretch.unopened = len(sealed) - len(unknown)
        sealed = unknown
    versions = [version for entry in sealed if (version := _named(report, *entry))]
    stored = _stored_keys(connection, [version.data_key_id for version in versions])
    for version in versions:
        row = stored.get(version.data_key_id)
        if row is None:
            stretch.lacking.append(version)
        else:
            _check_key(stretch, version, keyring, *row[1:])
    return stretch


def _named(report: ChunkReport, position: int, line: bytes) -> LoggedVersion | None:
    try:
        version = LoggedVersion.of(position, line)
        UUID(version.data_key_id)
    except ValueError:
        report.fail_data_key(position)
        return None
    return version


def _known_versions(connection: Connection, sealed: list[tuple[int, bytes]]) -> set[bytes]:
    """The versions whose data key exists, as far as a scan of a limited range of ids shows.

    Ids are ordered by time, like the log, so nearly all of them are adjacent.
    """
    if not sealed:
        return set()
    lines = [line for _, line in sealed]
    try:
        first, last = (UUID(line[:36].decode()) for line in (min(lines), max(lines)))
    except ValueError:
        return set()
    statement = sql.SQL(_QUERIES["copy_data_keys_between"].decode()).format(
        first=first, last=last, limit=2 * len(lines)
    )
    return set(copy_out(connection, statement.as_bytes(connection), bytes))


def _stored_keys(connection: Connection, ids: list[str]) -> dict[str, TupleRow]:
    """Id -> row, for the given data keys that exist."""
    rows = connection.execute(_QUERIES["data_keys"], {"ids": ids}, binary=True).fetchall()
    return {row[0]: row for row in rows}


def _check_key(
    stretch: Stretch,
    version: LoggedVersion,
    keyring: MasterKeyring | None,
    credential_id: str,
    credential_version: int,
    wrapped: str,
    master_key_id: str,
) -> None:
    # A rollback may bring an older version back, with its original data key.
    if credential_id != version.credential_id or credential_version > version.version:
        message = f"the data key {version.data_key_id} is stored as that of another credential"
        stretch.log.fail("data keys", message, version.position)
        return
    if keyring is None:
        stretch.unopened += 1
        return
    try:
        keyring.unwrap(UUID(version.data_key_id), wrapped, master_key_id)
        stretch.keys += 1
    except MasterKeyWrong:
        stretch.unopened += 1
    except CannotDecrypt as error:
        stretch.log.fail("data keys", error.message, version.position)


def check_share(connection: Connection, share: Portion, emit: Callable[[Stretch], None]) -> None:
    """Runs `check_stretch` for each stretch of a share, in a separate process."""
    keyring = load_keyring() if share.with_keys else None
    # The objects of a stretch are in no cycles: the garbage collector would only cost time.
    gc.freeze()
    gc.disable()
    for first, end in share.stretches:
        emit(check_stretch(connection, keyring, first, end, share.base))
