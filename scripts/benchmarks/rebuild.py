"""The duration of a rebuild, against one client that copies the same log out.

    scripts/benchmark rebuild [--accounts 125000] [--rounds 5] [--prove] [--peers] [--json]

A log of eight events per account, with valid hashes, on an embedded server of its own with
default durability. The ways take turns, so that other load on the machine affects all of them,
and the medians are compared. --prove also applies the log event by event with the SQL of the
live projection, and compares all rows; this takes minutes. --peers adds the projection runner of
the Python library `eventsourcing` (library.py). Its log has only 2,000 events, since it does
about a thousand a second; all figures are per event.
"""

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import psycopg
from harness import Limit, Target, options, own_server, report, take_turns
from support.large_log import load_events, many_accounts
from support.registry_tables import contents, unguarded

from projections import project
from projections.sql_sink import apply_to_tables
from registry.database.opening import SingleConnection
from registry.database.target import Target as Database
from registry.events.stored import StoredEvent
from registry.execution.executor import Invocation
from registry.rebuild.rebuild import RebuildService

TARGETS: Final = [
    Target("rebuild of damaged tables", "COPY binary", most=4),
    Target("check of intact tables", "COPY binary"),
    Target("rebuild of empty tables", "COPY binary"),
    Target("check of intact tables", "COPY text"),
    Target("rebuild of empty tables", "eventsourcing, ProjectionRunner"),
]
MEMORY: Final = 1536
"""The upper bound for the memory of all the rebuild's processes together, in MiB."""
PEER_ACCOUNTS: Final = 250

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
    chosen = options(
        "Rebuild against COPY of the same log.",
        accounts=125_000,
        rounds=5,
        prove=False,
        peers=False,
    )
    facts: dict[str, Any] = {}
    with own_server() as address, psycopg.connect(address, autocommit=True) as connection:
        _note(f"loading {chosen.accounts * 8:,} events")
        events = load_events(connection, many_accounts(chosen.accounts))
        connection.execute("VACUUM (ANALYZE) public.audit_events")
        database = SingleConnection(Database(address))
        service = RebuildService(database)
        service.rebuild(_WHO)
        measured = take_turns(_ways(connection, service, events), chosen.rounds)
        memory = _memory()
        if chosen.prove:
            _note("applying the log event by event")
            facts["rows identical to the live projection"] = _identical(connection)
        database.close()
    if chosen.peers:
        measured |= _peer(chosen.rounds)
    seconds = statistics.median(measured["rebuild of damaged tables"]) * events / 1e6
    facts |= {
        "events": events,
        "processors": os.cpu_count(),
        "rebuild of damaged tables, s": round(seconds, 2),
    }
    report(
        "rebuild",
        "µs/event",
        measured,
        TARGETS,
        as_json=chosen.json,
        limits=[Limit("memory of all processes, MiB", memory, MEMORY)],
        facts=facts,
    )


def _ways(
    connection: Connection, service: RebuildService, events: int
) -> dict[str, Callable[[], float]]:
    ways: dict[str, Callable[[], object]] = {
        "COPY binary": lambda: _copy(connection, "(FORMAT binary)"),
        "COPY text": lambda: _copy(connection, ""),
        "check of intact tables": service.check,
        "rebuild of damaged tables": lambda: service.rebuild(_WHO),
        "rebuild of empty tables": lambda: service.rebuild(_WHO),
    }

    def timed(name: str) -> Callable[[], float]:
        def run() -> float:
            _prepare(connection, name)
            started = time.monotonic()
            ways[name]()
            return (time.monotonic() - started) / events * 1e6

        return run

    return {name: timed(name) for name in ways}


def _peer(rounds: int) -> dict[str, list[float]]:
    """Measures the library on a database of its own; it projects the same log in each round."""
    import library

    microseconds = []
    # The library opens its own connections: the guards are off for all of them.
    os.environ["PGOPTIONS"] = "-c session_replication_role=replica"
    with (
        own_server() as address,
        psycopg.connect(address, autocommit=True) as connection,
        library.recorded(address, many_accounts(PEER_ACCOUNTS)) as (settings, events),
    ):
        for number in range(rounds):
            _note(f"eventsourcing, round {number + 1} of {rounds}")
            connection.execute("DROP TABLE IF EXISTS tables_tracking")
            connection.execute("TRUNCATE public.accounts CASCADE")
            microseconds.append(library.projected(settings, events) / events * 1e6)
            (made,) = connection.execute("SELECT count(*) FROM accounts").fetchone() or (0,)
            if made != PEER_ACCOUNTS:
                raise SystemExit(f"the library made {made} accounts of {PEER_ACCOUNTS}")
    return {"eventsourcing, ProjectionRunner": microseconds}


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
    """Reads the whole log as fast as libpq delivers it, and discards it."""
    libpq = connection.pgconn
    libpq.exec_(f"COPY public.audit_events TO STDOUT {form}".encode())
    while libpq.get_copy_data(0)[0] > 0:
        pass
    while libpq.get_result() is not None:
        pass


def _memory() -> int:
    """MiB of the parent, plus twice those of the largest worker, since there are two."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return int(own + 2 * worker) // 1024


def _identical(connection: Connection) -> bool:
    """Whether the live projection's statements produce the same rows as the rebuild."""
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
            for change in project(event):
                apply_to_tables(connection, change)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
