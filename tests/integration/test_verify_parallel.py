"""Verification of a log that is long enough for several processes."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.log.chunk import CHUNK
from registry.services.audit.verification import Extent, verify

BENCHMARKS = str(Path(__file__).resolve().parents[2] / "scripts" / "benchmarks")
EVENTS = 2 * CHUNK + 1000

pytestmark = pytest.mark.slow


@pytest.fixture
def long_log(connection: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    sys.path.insert(0, BENCHMARKS)
    import biglog

    biglog.fill(connection, EVENTS)
    yield connection
    sys.path.remove(BENCHMARKS)


def test_processes_find_what_one_finds(
    long_log: psycopg.Connection[Any], database: SingleConnection, database_url: str
) -> None:
    def failures(processes: int) -> list[tuple[str, int | None]]:
        told: list[tuple[str, int, int]] = []
        verdict = verify(
            database,
            Target(database_url),
            Extent(with_keys=False, with_projections=False, processes=processes),
            lambda *progress: told.append(progress),
        )
        assert (verdict.events, told[-1]) == (EVENTS, ("events", EVENTS, EVENTS))
        return [(failure.check, failure.position) for failure in verdict.failures]

    assert failures(1) == failures(2) == []
    with long_log.transaction():
        long_log.execute("SET LOCAL session_replication_role = replica")
        long_log.execute(
            "UPDATE audit_events SET actor = 'x' WHERE position = ANY (%s)",
            [[5, CHUNK + 3, 2 * CHUNK + 7]],
        )
        long_log.execute("DELETE FROM audit_events WHERE position = %s", [2 * CHUNK - 9])
    expected = [
        ("leaf hashes", 5),
        ("leaf hashes", CHUNK + 3),
        ("positions", 2 * CHUNK - 9),
        ("leaf hashes", 2 * CHUNK + 7),
    ]
    in_copies = [failure for failure in failures(2) if failure[0] != "stream versions"]
    assert in_copies == expected
    # Beside another thread, workers are new processes and no copies.
    event = threading.Event()
    thread = threading.Thread(target=event.wait)
    thread.start()
    try:
        assert [failure for failure in failures(2) if failure[0] != "stream versions"] == expected
    finally:
        event.set()
        thread.join()
