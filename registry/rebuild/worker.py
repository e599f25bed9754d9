"""Replays and compares slices of the log; also as a process of its own.

As a process it reads its task from standard input, so that no password stands in the
process list, and writes messages to standard output, one JSON document a line.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson
import psycopg

from projections.accounts import TABLE as ACCOUNTS
from projections.memory_sink import MISFITS
from projections.positions import TABLE as POSITIONS
from projections.rows import Row
from registry.database.connection import Connection, connect, registry_errors
from registry.database.target import Target
from registry.errors import LogContradictsItself, RegistryError
from registry.hints import Command, Hint, commands_of
from registry.rebuild.differences import Findings, compare
from registry.rebuild.repair_rows import Repairs
from registry.rebuild.replay import Slice, no_garbage_collection, replay

Message = dict[str, Any]
Emit = Callable[[Message], None]


@dataclass(frozen=True, slots=True)
class SliceTask:
    """Which slices of the log one worker examines."""

    size: int
    numbers: Sequence[int]
    of: int
    exists: bool
    """Whether there are tables to compare with."""
    tokens: bool = True
    """Whether the role may read the encrypted fields."""
    skipped: Sequence[int] = ()
    """The positions of events that do not count."""


def examine_slices(connection: Connection, task: SliceTask, repairs: Repairs, emit: Emit) -> None:
    """Replays the task's slices one after the other and tells what it finds.

    Messages: `progress` (events passed), `drift` (a row that differs; the first thousand,
    and all that the log does not know), `counts` (table, kind, rows that differ), `links`
    (position -> account), `rows`.
    """
    findings = Findings(lambda row: emit({"drift": asdict(row)}), repairs)
    for number in task.numbers:
        part = Slice(number, task.of)
        with no_garbage_collection():
            rows = replay(
                connection,
                task.size,
                part,
                lambda passed: emit({"progress": passed}),
                tokens=task.tokens,
                skipped=task.skipped,
            )
            links = rows.pop(POSITIONS.name, {})
            # An account that was deleted while the bot had cleared its links owns nothing.
            owners = rows.get(ACCOUNTS.name, {})
            emit({"links": {key: _owner(row["account_id"], owners) for key, row in links.items()}})
            with rows_that_fit(connection):
                counted = compare(
                    connection, rows, part, findings, exists=task.exists, tokens=task.tokens
                )
            emit({"rows": counted})
    emit({"counts": [[table, kind, rows] for (table, kind), rows in findings.counts.items()]})


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


def _owner(account_id: str | None, accounts: Mapping[str, Row]) -> str | None:
    return account_id if account_id in accounts else None


def main() -> None:
    """One worker process."""
    order = orjson.loads(sys.stdin.buffer.readline())
    output = sys.stdout.buffer

    def emit(message: Message) -> None:
        output.write(orjson.dumps(message) + b"\n")
        output.flush()

    try:
        with connect(Target(order["address"])) as connection, registry_errors(connection):
            connection.execute("SET TIME ZONE 'UTC'")
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute(f"SET TRANSACTION SNAPSHOT '{order['snapshot']}'".encode())
            repairs = Repairs.inherited(order["files"])
            examine_slices(connection, SliceTask(**order["task"]), repairs, emit)
            repairs.flush()
    except RegistryError as error:
        hint = commands_of(error.hint or "")
        emit({"error": type(error).__name__, "message": error.message, "hint": hint})
    else:
        emit({"done": True})


if __name__ == "__main__":
    main()
