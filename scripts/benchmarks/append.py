"""Appends to the log, against INSERT and COPY into a table of the same columns and indexes.

    scripts/benchmark append [--rounds 5] [--seconds 2] [--peers] [--json]

One event per transaction, durable before the answer, by one client and by sixteen; and batches.
--peers adds the PostgreSQL recorder of the Python library `eventsourcing` in both of its modes
(INSERT statements, and functions in the database).
"""

import datetime as dt
import functools
import hashlib
import os
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

import psycopg
from harness import Client, Step, Target, options, own_server, rate, report, take_turns
from psycopg.conninfo import conninfo_to_dict

from registry.database.durability import wait_until_durable
from registry.events.accounts import AccountCreated
from registry.events.stored import Stream
from registry.log.append import CommandRecord, NewEvent, send_append
from registry.log.bulk import Append, append_in_bulk, given
from registry.log.ids import new_id

CLIENTS: Final = 16
BATCH: Final = 20_000

TARGETS: Final = [
    Target("append, 1 client", "INSERT, 1 client", least=0.8),
    Target("append, 16 clients", "INSERT, 16 clients", least=0.6),
    Target("flush inside the lock, 1 client", "INSERT, 1 client"),
    Target("flush inside the lock, 16 clients", "INSERT, 16 clients"),
    Target("append, 1 client", "eventsourcing, 1 client"),
    Target("append, 1 client", "eventsourcing (functions), 1 client"),
    Target("append, 16 clients", "eventsourcing, 16 clients", least=2),
    Target("append, 16 clients", "eventsourcing (functions), 16 clients", least=2),
    Target("append in bulk", "COPY", least=0.4),
]

_RAW: Final = """
CREATE TABLE IF NOT EXISTS public.raw_events (LIKE public.audit_events INCLUDING ALL);
CREATE SEQUENCE IF NOT EXISTS public.raw_position MINVALUE 0
"""
_INSERT: Final = """
INSERT INTO public.raw_events VALUES (nextval('public.raw_position'), %s, %s, %s, %s, %s, %s,
    %s::json, %s, %s, %s, %s, %s, %s, %s, clock_timestamp(), session_user, %s, '{}')
"""


def main() -> None:
    """Measures and prints."""
    chosen = options("Appends against INSERT and COPY.", rounds=5, seconds=2.0, peers=False)
    ways: dict[str, Client] = {
        "INSERT": insert,
        "append": append,
        "flush inside the lock": append_and_flush_inside,
    }
    if chosen.peers:
        ways |= {"eventsourcing": peer, "eventsourcing (functions)": peer_with_functions}
    with own_server() as address:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(_RAW)
        runs: dict[str, Callable[[], float]] = {}
        for clients in (1, CLIENTS):
            for name, client in ways.items():
                label = f"{name}, {clients} client{'s' if clients > 1 else ''}"
                runs[label] = functools.partial(rate, address, client, clients, chosen.seconds)
        runs["COPY"] = lambda: copy_rows(address)
        runs["append in bulk"] = lambda: bulk(address)
        measured = take_turns(runs, chosen.rounds)
    report("append", "events/s", measured, TARGETS, as_json=chosen.json)


def event() -> tuple[CommandRecord, NewEvent]:
    """A new account's first event, and its command."""
    created = AccountCreated(
        account_name=f"bot-{uuid.uuid4()}",
        wallet_address="0x1234567890abcdef1234567890abcdef12345678",
        description="measured",
        metadata={"max_positions": 10, "max_exposure_usd": 100_000},
    )
    digest = hashlib.sha256(created.account_name.encode()).digest()
    record = CommandRecord(new_id(), digest, "benchmark@host", None, dt.datetime.now(dt.UTC))
    return record, NewEvent(Stream("account", new_id()), 1, created)


def insert(address: str, _: int) -> Step:
    """A durable INSERT of the same row, without any of the log's guarantees."""
    connection = psycopg.connect(address, autocommit=True)

    def step() -> None:
        record, new = event()
        _, *columns = given(0, Append(record, 0, new))
        connection.execute(_INSERT, [*columns, record.digest])

    return step


def append(address: str, _: int) -> Step:
    """An append in one statement; if other sessions wait, it commits before it flushes."""
    connection = psycopg.connect(address, autocommit=True)

    def step() -> None:
        record, new = event()
        cursor = send_append(connection, record, 0, new, flush_later_if_others_wait=True)
        _, flush_is_due = cursor.fetchone() or (None, True)
        if flush_is_due:
            wait_until_durable(connection)

    return step


def append_and_flush_inside(address: str, _: int) -> Step:
    """An append that holds the log's lock until the event is on disk."""
    connection = psycopg.connect(address, autocommit=True)

    def step() -> None:
        record, new = event()
        send_append(connection, record, 0, new)

    return step


def peer(address: str, number: int, *, functions: bool = False) -> Step:
    """The library `eventsourcing`, which also numbers its events under a table lock."""
    from eventsourcing.persistence import StoredEvent
    from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

    where = conninfo_to_dict(address)
    datastore = PostgresDatastore(
        dbname=where["dbname"],
        host=where["host"],
        port=5432,
        user=where["user"],
        password="",
        enable_db_functions=functions,
    )
    table = "es_functions" if functions else "es_plain"
    recorder = PostgresApplicationRecorder(datastore, events_table_name=table)
    _create_once(recorder, number)

    def step() -> None:
        _, new = event()
        state = new.event.to_json().encode()
        recorder.insert_events([StoredEvent(uuid.uuid4(), 1, "AccountCreated", state)])

    return step


def peer_with_functions(address: str, number: int) -> Step:
    """The same with the library's functions in the database."""
    return peer(address, number, functions=True)


def _create_once(recorder: Any, number: int) -> None:
    # All clients create the table, and the library's DDL does not support concurrent runs.
    for attempt in range(100):
        try:
            recorder.create_table()
        except Exception:
            if attempt == 99:  # noqa: PLR2004
                raise
            time.sleep(0.05 * (number + 1))
        else:
            return


def _batch() -> list[Append]:
    record, _ = event()
    return [Append(record, index, event()[1]) for index in range(BATCH)]


def bulk(address: str) -> float:
    """Events per second of one bulk append, including hashes and tree."""
    batch = _batch()
    with psycopg.connect(address, autocommit=True) as connection:
        started = time.perf_counter()
        append_in_bulk(connection, batch)
        return BATCH / (time.perf_counter() - started)


def copy_rows(address: str) -> float:
    """Rows per second of a binary COPY of prepared rows into a table with the same indexes."""
    with psycopg.connect(address, autocommit=True) as connection:
        append_in_bulk(connection, _batch())
        connection.execute("TRUNCATE public.raw_events")
        with connection.cursor().copy(
            "COPY (SELECT * FROM public.audit_events ORDER BY position DESC LIMIT %s)"
            " TO STDOUT (FORMAT binary)",
            [BATCH],
        ) as out:
            rows = b"".join(out)
        started = time.perf_counter()
        with connection.cursor().copy("COPY public.raw_events FROM STDIN (FORMAT binary)") as copy:
            copy.write(rows)
        seconds = time.perf_counter() - started
        connection.execute("TRUNCATE public.raw_events")
        return BATCH / seconds


if __name__ == "__main__":
    os.environ.setdefault("PGAPPNAME", "benchmark")
    main()
