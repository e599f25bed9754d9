"""How long a rebuild takes, measured against one client that copies the same log out.

    scripts/benchmark rebuild [--accounts 125000] [--rounds 5] [--prove] [--json]

A log of eight events per account, valid hashes included, in an embedded server of its own
with its usual durability. The ways to run take turns, so that whatever else the machine
does falls on all of them, and the medians are compared. --prove also applies the log event
by event with the SQL of the live projection and compares all rows, which takes minutes.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
from support.large_log import load_events, many_accounts
from support.registry_tables import contents, unguarded

from projections import project
from projections.sql_sink import apply_to_tables
from registry.database.connection import SingleConnection
from registry.database.embedded import EmbeddedServer
from registry.database.migrator import Migrator
from registry.database.target import Target
from registry.events.stored import StoredEvent
from registry.services.executor import Invocation
from registry.services.rebuild import RebuildService

TARGET: Final = 4.0
"""The longest that a rebuild may take, in times of a COPY of the log."""
TARGET_MEMORY: Final = 1536
"""The most memory, in MiB, of all the rebuild's processes together."""

_WHO: Final = Invocation(actor="benchmark@host")
_PIPELINE: Final = 5_000
_READ: Final = """
SELECT e.stream_id::text, e.stream_version, e.event_type, e.schema_version,
    (e.occurred_at AT TIME ZONE 'UTC')::text, e.data
FROM public.audit_events AS e ORDER BY e.position
"""

Connection = psycopg.Connection[Any]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Rebuild against COPY of the same log.")
    parser.add_argument("--accounts", type=int, default=125_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prove", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with _server() as address, psycopg.connect(address, autocommit=True) as connection:
        Migrator(connection).up()
        _note(f"loading {options.accounts * 8:,} events")
        events = load_events(connection, many_accounts(options.accounts))
        connection.execute("VACUUM (ANALYZE) public.audit_events")
        database = SingleConnection(Target(address))
        seconds = _measure(connection, RebuildService(database), options.rounds)
        result = _compared(events, seconds)
        if options.prove:
            _note("applying the log event by event")
            result["rows_identical_to_the_live_projection"] = _identical(connection)
        database.close()
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        _print(result)
    sys.exit(0 if result["reached"] else 1)


def _measure(
    connection: Connection, service: RebuildService, rounds: int
) -> dict[str, list[float]]:
    ways: dict[str, Callable[[], object]] = {
        "COPY binary": lambda: _copy(connection, "(FORMAT binary)"),
        "COPY text": lambda: _copy(connection, ""),
        "check of intact tables": service.check,
        "rebuild of damaged tables": lambda: service.rebuild(_WHO),
        "rebuild of empty tables": lambda: service.rebuild(_WHO),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    service.rebuild(_WHO)
    for number in range(rounds):
        _note(f"round {number + 1} of {rounds}")
        for name, run in ways.items():
            _prepare(connection, name)
            started = time.monotonic()
            run()
            seconds[name].append(time.monotonic() - started)
    return seconds


def _prepare(connection: Connection, name: str) -> None:
    with unguarded(connection):
        if "damaged" in name:
            connection.execute(
                "UPDATE public.accounts SET description = 'damaged' WHERE account_name LIKE '%7'"
            )
            connection.execute(
                "DELETE FROM public.account_exchange_credentials WHERE id::text LIKE '%0'"
            )
        elif "empty" in name:
            connection.execute("TRUNCATE public.accounts CASCADE")
    connection.execute("VACUUM (ANALYZE) public.accounts, public.account_exchange_credentials")
    connection.execute("CHECKPOINT")


def _copy(connection: Connection, form: str) -> None:
    """Reads the whole log as fast as libpq hands it over, and forgets it."""
    libpq = connection.pgconn
    libpq.exec_(f"COPY public.audit_events TO STDOUT {form}".encode())
    while libpq.get_copy_data(0)[0] > 0:
        pass
    while libpq.get_result() is not None:
        pass


def _compared(events: int, seconds: dict[str, list[float]]) -> dict[str, Any]:
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    base = medians["COPY binary"]
    # Of the parent, and of the largest worker for each of the two.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    memory = (own + 2 * worker) // 1024
    ratio = medians["rebuild of damaged tables"] / base
    return {
        "events": events,
        "cores": os.cpu_count(),
        "seconds": {name: round(value, 2) for name, value in medians.items()},
        "times_copy_binary": {name: round(value / base, 2) for name, value in medians.items()},
        "times_copy_text": {
            name: round(value / medians["COPY text"], 2) for name, value in medians.items()
        },
        "events_per_second": round(events / medians["rebuild of damaged tables"]),
        "peak_memory_mib": memory,
        "reached": ratio <= TARGET and memory <= TARGET_MEMORY,
    }


def _print(result: dict[str, Any]) -> None:
    print(f"{result['events']:,} events, {result['cores']} cores; medians")
    print(f"{'':<28}{'seconds':>9}{'x binary':>10}{'x text':>9}")
    for name, value in result["seconds"].items():
        binary, text = result["times_copy_binary"][name], result["times_copy_text"][name]
        print(f"{name:<28}{value:>9.2f}{binary:>10.2f}{text:>9.2f}")
    print(f"{result['events_per_second']:,} events/s; memory {result['peak_memory_mib']} MiB")
    if "rows_identical_to_the_live_projection" in result:
        same = result["rows_identical_to_the_live_projection"]
        print(f"rows {'identical to' if same else 'DIFFERENT from'} the live projection's")
    verdict = "reached" if result["reached"] else "missed"
    print(f"target (x binary {TARGET}, {TARGET_MEMORY} MiB): {verdict}")


def _identical(connection: Connection) -> bool:
    """Whether the live projection's statements make the rows that the rebuild made."""
    rebuilt = contents(connection)
    with connection.transaction(), unguarded(connection):
        connection.execute("TRUNCATE public.accounts CASCADE")
        with connection.cursor(name="events") as events:
            events.itersize = _PIPELINE
            batch: list[StoredEvent] = []
            for row in events.execute(_READ):
                batch.append(StoredEvent(*row))
                if len(batch) == _PIPELINE:
                    _apply(connection, batch)
                    batch.clear()
            _apply(connection, batch)
        return contents(connection) == rebuilt


def _apply(connection: Connection, events: list[StoredEvent]) -> None:
    with connection.pipeline():
        for event in events:
            change = project(event)
            if change is not None:
                apply_to_tables(connection, change)


@contextlib.contextmanager
def _server() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="account-registry-benchmark-"))
    server = EmbeddedServer(folder)
    try:
        yield server.ensure_running()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
