"""Replays and compares slices of the log, also in a separate process."""

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
from registry.rebuild.replay import Selection, Slice, no_garbage_collection, replay

Message = tuple[str, Any]
Emit = Callable[[Message], None]


@dataclass(frozen=True, slots=True)
class SliceTask:
    """The slices of the log that one worker examines."""

    repairs: Repairs
    """Receives the rows that differ."""
    selection: Selection
    numbers: Sequence[int]
    of: int
    exists: bool
    """Whether the tables exist."""


def examine_slices(connection: Connection, task: SliceTask, emit: Emit) -> None:
    """Replays and compares the task's slices in turn, and emits messages about them.

    Messages: `progress` (number of events passed), `drift` (a row that differs; the first
    thousand, and all extra rows), `counts` ((table, kind) -> number of rows that differ),
    `links` (position -> account), `rows` (number of rows in the tables).
    """
    findings = Findings(lambda row: emit(("drift", row)), task.repairs)
    for number in task.numbers:
        part = Slice(number, task.of)
        with no_garbage_collection():
            rows = replay(
                connection, task.selection, part, lambda passed: emit(("progress", passed))
            )
            links = rows.pop(POSITIONS.name, {})
            # A deleted account owns nothing, even if the bot, not an event, cleared its links.
            owners = rows.get(ACCOUNTS.name, {})
            named = {key: row["account_id"] for key, row in links.items()}
            emit(("links", {key: id_ if id_ in owners else None for key, id_ in named.items()}))
            with rows_that_fit(connection):
                counted = compare(
                    connection,
                    rows,
                    part,
                    findings,
                    exists=task.exists,
                    tokens=task.selection.tokens,
                )
            emit(("rows", counted))
    emit(("counts", findings.counts))


def examine_apart(connection: Connection, task: SliceTask, emit: Emit) -> None:
    """Runs `examine_slices` in a separate process."""
    connection.execute("SET TIME ZONE 'UTC'")
    examine_slices(connection, task, emit)
    task.repairs.flush()


@contextlib.contextmanager
def rows_that_fit(connection: Connection) -> Iterator[None]:
    """Guards the conversion of rows from the log to the form of the tables.

    It uses a savepoint: the connection's transaction continues afterwards.

    Raises:
        LogContradictsItself: a column cannot hold a value.
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
