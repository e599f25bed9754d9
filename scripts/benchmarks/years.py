"""What a log of years costs: a few thousand changes, and millions of releases.

    scripts/benchmark years [--events 5000000] [--accounts 1000] [--rounds 3] [--json]

There are two logs on an embedded server of its own, in TMPDIR. The short one has accounts with
three credentials each, and nothing else. The long one has the same, and releases up to the given
number of events. Of each command, the processor's time is measured: that of the program with its
workers, and of the server. What a verification of no new event costs is taken off the others.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import biglog
import psycopg
from harness import Limit, Target, options, own_server, report, take_turns
from support.registry_tables import unguarded
from verify import hashing

from registry.encryption.key_source import VARIABLE
from registry.encryption.keyring import generate_master_key
from registry.log.tree import read_root
from registry.proofs.checkpoint import Checkpoint
from registry.proofs.note import Signer

PROJECT: Final = Path(__file__).resolve().parents[2]
CORES: Final = 2
"""A verification is compared as if it had two cores for itself, and hashing one."""
TICKS: Final = os.sysconf("SC_CLK_TCK")
CHANGES_OF_AN_ACCOUNT: Final = 4
BYTES_OF_AN_EVENT: Final = 2_500
"""On the disk, while the log is made: rows, indexes, and the server's own log."""
HASHED: Final = 500_000
"""As many leaves are kept in memory to be hashed; the time of all is in proportion."""

WHOLE: Final = "verify, log only"
SHORT: Final = ", short log"
COMMANDS: Final = {
    "rebuild --check": ["rebuild", "--check"],
    "rebuild of damaged rows": ["rebuild", "--yes"],
    "list-accounts --as-of": ["list-accounts", "--as-of", "NEWEST"],
}
SHARES: Final = {
    "verify --since, 0.1 % new": 1,
    "verify --since, 1 % new": 10,
    "verify --since, 10 % new": 100,
}
TARGETS: Final = [
    *(Target(name, name + SHORT, most=3) for name in COMMANDS),
    *(Target(name, WHOLE, most=1.2 * share / 1000 + 0.005) for name, share in SHARES.items()),
]
BYTES_BEFORE: Final = 368
"""The bytes of indexes of an event before migration 026, in a log of this kind."""

Connection = psycopg.Connection[Any]


def main() -> None:
    """Measures and prints."""
    chosen = options("A log of years.", events=5_000_000, accounts=1000, rounds=3)
    _check_space(chosen.events)
    os.environ[VARIABLE] = generate_master_key().reveal()
    changes = chosen.accounts * CHANGES_OF_AN_ACCOUNT
    with (
        tempfile.TemporaryDirectory() as folder,
        own_server() as server,
        biglog.scratch_database(server) as long,
        biglog.scratch_database(server) as short,
        psycopg.connect(server, autocommit=True) as connection,
    ):
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")
        bench = _Bench(connection, Path(folder))
        started = time.monotonic()
        for address, events in ((short, changes), (long, chosen.events)):
            with psycopg.connect(address, autocommit=True) as filled:
                biglog.fill(filled, events, accounts=chosen.accounts)
        filling = time.monotonic() - started
        ways: dict[str, Callable[[], float]] = {}
        for name, words in COMMANDS.items():
            ways[name + SHORT] = bench.command(short, changes, words)
            ways[name] = bench.command(long, chosen.events, words)
        nothing = bench.since(long, chosen.events, 0)
        floor = statistics.median(nothing() for _ in range(chosen.rounds))
        for name, share in SHARES.items():
            since = bench.since(long, chosen.events, share)
            ways[name] = lambda since=since: max(since() - floor, 0.01)  # type: ignore[misc]
        ways[WHOLE] = lambda: bench.whole(long) - floor
        measured = take_turns(ways, chosen.rounds)
        sample = min(chosen.events, HASHED)
        with hashing(long, sample, time.process_time) as hash_sample:
            hashed = [hash_sample() * chosen.events / sample for _ in range(chosen.rounds)]
        with psycopg.connect(long, autocommit=True) as filled:
            of_indexes, of_rows = _bytes(filled, chosen.events)
    by_hashing = statistics.median(measured[WHOLE]) / CORES / statistics.median(hashed)
    facts = {
        "events": chosen.events,
        "events of the short log": changes,
        "making the logs, s": round(filling),
        "a verification of nothing new, s": round(floor, 2),
        "verify, log only, from start to end, s": round(min(bench.whole_seconds), 1),
        "hashing the same bytes, s of processor": round(statistics.median(hashed), 1),
        "bytes of a row": of_rows,
    }
    limits = [
        Limit("bytes of indexes of an event", of_indexes, BYTES_BEFORE * 0.7),
        Limit("verify / hashing, both cores at work", round(by_hashing, 2), 2.5),
    ]
    report(
        "years",
        "s of processor",
        measured,
        TARGETS,
        as_json=chosen.json,
        limits=limits,
        facts=facts,
    )


class _Bench:
    """Runs commands, and adds up what they cost the program and the server."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._signer = Signer.generate("benchmark")
        row = connection.execute("SHOW data_directory").fetchone() or ("",)
        self._server = (Path(row[0]) / "postmaster.pid").read_text().split()[0]
        self.whole_seconds: list[float] = []

    def command(self, address: str, events: int, words: list[str]) -> Callable[[], float]:
        """A command for a log of this many events."""
        words = [str(events - 1) if word == "NEWEST" else word for word in words]

        def run() -> float:
            if "--yes" in words:
                _damage(address)
            return self._cost(address, *words)

        return run

    def since(self, address: str, events: int, share: int) -> Callable[[], float]:
        """A verification of the newest events: so many of each thousand."""
        size = events - events * share // 1000
        file = self._folder / f"{share}.txt"
        with psycopg.connect(address, autocommit=True) as connection:
            root = read_root(connection, size)
        file.write_text(Checkpoint("benchmark", size, root).sign(self._signer))
        key = str(self._signer.verifier)
        words = ("verify", "--without-keys", "--since", str(file), "--key", key)
        return lambda: self._cost(address, *words)

    def whole(self, address: str) -> float:
        """A verification of the whole log."""
        started = time.monotonic()
        cost = self._cost(address, "verify", "--without-keys", "--only-log")
        self.whole_seconds.append(time.monotonic() - started)
        return cost

    def _cost(self, address: str, *words: str) -> float:
        before = self._of_server()
        command = [sys.executable, "-m", "registry.commands", *words, "--json"]
        process = subprocess.Popen(
            command,
            env=os.environ | {"DATABASE_URL": address},
            stdout=subprocess.DEVNULL,
            cwd=PROJECT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{words[0]} ended with {os.waitstatus_to_exitcode(status)}")
        return usage.ru_utime + usage.ru_stime + self._of_server() - before

    def _of_server(self) -> float:
        """The processor's time of all sessions that have ended."""
        others = (
            "SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' LIMIT 1 OFFSET 1"
        )
        while self._connection.execute(others).fetchone():
            time.sleep(0.02)
        time.sleep(0.2)  # a session is gone a moment before its process is
        # proc_pid_stat(5): cutime and cstime are fields 16 and 17, the command's name is field 2.
        fields = Path(f"/proc/{self._server}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / TICKS


def _damage(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection, unguarded(connection):
        connection.execute(
            "UPDATE public.account_exchange_credentials SET last_used = now() "
            "WHERE id::text LIKE '%7'"
        )


def _bytes(connection: Connection, events: int) -> tuple[int, int]:
    """The bytes of an event: of its indexes, and of its row."""
    row = connection.execute(
        "SELECT pg_indexes_size('public.audit_events'), pg_relation_size('public.audit_events')"
    ).fetchone() or (0, 0)
    return row[0] // events, row[1] // events


def _check_space(events: int) -> None:
    free, wanted = shutil.disk_usage(tempfile.gettempdir()).free, events * BYTES_OF_AN_EVENT
    if free < wanted:
        raise SystemExit(
            f"{tempfile.gettempdir()} has {free >> 30} GiB free, and {wanted >> 30} are needed: "
            "set TMPDIR, or take fewer --events"
        )


if __name__ == "__main__":
    main()
