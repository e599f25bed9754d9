"""Replays and compares slices of the log; also in a process of its own."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from projections.accounts import TABLE as ACCOUNTS
from projections.memory_sink import MISFITS
from projections.positions import TABLE as POSITIONS
from registry.database.connection import Connection
from registry.errors import LogContradictsItself
from registry.hints import Command, Hint
from registry.rebuild.differences import Findings, compare
from registry.rebuild.repair_rows import Repairs
from registry.rebuild.replay import Slice, no_garbage_collection, replay

Message = tuple[str, Any]
Emit = Callable[[Message], None]


@dataclass(frozen=True, slots=True)
class SliceTask:
    """Which slices of the log one worker examines."""

    repairs: Repairs
    """Where it puts the rows that differ."""
    size: int
    numbers: Sequence[int]
    of: int
    exists: bool
    """Whether there are tables to compare with."""
    tokens: bool = True
    """Whether the role may read the encrypted fields."""
    skipped: Sequence[int] = ()
    """The positions of events that do not count."""


def examine_slices(connection: Connection, task: SliceTask, emit: Emit) -> None:
    """Replays the task's slices one after the other and tells what it finds.

    Messages: `progress` (events passed), `drift` (a row that differs; the first thousand,
    and all that the log does not know), `counts` (table, kind, rows that differ), `links`
    (position -> account), `rows`.
    """
    findings = Findings(lambda row: emit(("drift", row)), task.repairs)
    for number in task.numbers:
        part = Slice(number, task.of)
        with no_garbage_collection():
            rows = replay(
                connection,
                task.size,
                part,
                lambda passed: emit(("progress", passed)),
                tokens=task.tokens,
                skipped=task.skipped,
            )
            links = rows.pop(POSITIONS.name, {})
            # An account that was deleted while the bot had cleared its links owns nothing.
            owners = rows.get(ACCOUNTS.name, {})
            named = {key: row["account_id"] for key, row in links.items()}
            emit(("links", {key: id_ if id_ in owners else None for key, id_ in named.items()}))
            with rows_that_fit(connection):
                counted = compare(
                    connection, rows, part, findings, exists=task.exists, tokens=task.tokens
                )
            emit(("rows", counted))
    emit(("counts", findings.counts))


def examine_apart(connection: Connection, task: SliceTask, emit: Emit) -> None:
    """The same in a process of its own."""
    connection.execute("SET TIME ZONE 'UTC'")
    examine_slices(connection, task, emit)
    task.repairs.flush()


@contextlib.contextmanager
def rows_that_fit(connection: Connection) -> Iterator[None]:
    """Where rows that follow from the log are written in the form of the tables.

    Within the connection's transaction, which goes on afterwards.

    Raises:
        LogContradictsItself: a value is none that its column can hold.
    """
    try:
        with connection.transaction():
            yield
    except (*MISFITS, psycopg.DataError):
        raise LogContradictsItself(
            "the tables cannot hold the rows that follow from the log",
            hint=Hint(
                "Run: ", Command("verify"), ". If the log is intact, report this as a defect."
            ),
        ) from None
