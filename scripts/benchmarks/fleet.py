"""Loads of many bots at once, of this program and of an older one.

    scripts/benchmark fleet [--rounds 5] [--clients 64] [--seconds 4] [--before 1204526] [--json]

The older program is a commit of this repository. Both have a database on each of two servers,
PostgreSQL 18 and 15. In each database every account has three credentials, and every client loads
those of one account again and again. Clients only speak SQL, as light as can be, so that servers
have the machine to themselves; they send what the loader of their program sends. The two programs
take turns. In each round a bot of each also imports its loader, loads once and decrypts.
"""

import contextlib
import io
import os
import select
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import psycopg
import pytest
from harness import Target, options, report
from psycopg import pq
from psycopg.conninfo import make_conninfo
from support.bots import login_role
from support.servers import running_server

from registry.encryption.keyring import generate_master_key

PROJECT: Final = Path(__file__).parents[2]
SERVERS: Final = (18, 15)
OLD, NEW = "before", "now"

FILL: Final = """
import sys
from support.world import BY, World
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
address, key, role, accounts, is_old = sys.argv[1:]
database = SingleConnection(Target(address))
world = World(database, MasterKeyring([Secret(key)]))
for number in range(int(accounts)):
    world.account(f"bot_{number}", "lighter", "backpack", "aster")
    world.access.grant(f"bot_{number}", role, *([BY] if is_old == "old" else []))
with database.connection() as connection:
    connection.execute("VACUUM ANALYZE")
database.close()
"""
MIGRATE: Final = """
import sys, psycopg
from registry.database.migrator import Migrator
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    Migrator(connection).up()
"""
BOT: Final = """
import logging, time
logging.disable()
started = time.process_time()
from registry.loader import CredentialLoader
with CredentialLoader() as loader:
    assert len(loader.load_account_credentials("bot_0")) == 3
print((time.process_time() - started) * 1000)
"""

Rows: TypeAlias = list[dict[str, str | None]]
Load: TypeAlias = Generator[tuple[str | None, str | None], Rows, None]
"""A load gives a prepared statement and its parameter, or a text, and gets the last rows."""

STATEMENTS: Final = {
    OLD: {
        "request": """SELECT r.* FROM request_release(
            $1, NULL, NULL, NULL, NULL, 'bot@host', 'host', 'load', NULL) AS r""",
        "collect": """SELECT r.*, set_config('synchronous_commit', 'off', true)
            FROM collect_release($1) AS r""",
        "hosts": "SELECT release_hosts($1)",
        "flush": "SELECT pg_logical_emit_message(true, 'account-registry', '')",
    },
    NEW: {
        "request": """SELECT r.* FROM set_config('synchronous_commit', 'off', true),
            request_releases($1, NULL, NULL, NULL, NULL, 'bot@host', 'host', 'load') AS r""",
    },
}
COLLECT: Final = """BEGIN; SELECT confirm_releases(); COMMIT;
    SELECT r.*, set_config('synchronous_commit', 'off', true),
        CASE WHEN r.release_id = ANY ('{}') THEN (
            SELECT exchange_definition(d.name) ->> 'nonce_per_key' = 'true'
            FROM dexes AS d WHERE d.id = r.exchange_id) END
    FROM collect_releases('{%s}') AS r"""
"""The second round trip of this program, which it sends as one message, and so cannot prepare."""


def load_before(account: str) -> Load:
    """A load of the older program: a round trip for each credential."""
    for row in (yield "request", account):
        release = row["release_id"] or ""
        while not (yield "collect", release):
            yield "flush", None
        if row["exchange"] == "lighter":
            yield "hosts", release


def load_now(account: str) -> Load:
    """A load of this program."""
    granted = yield "request", account
    rows = yield None, COLLECT % ",".join(row["release_id"] or "" for row in granted)
    if [row["outcome"] for row in rows] != ["ok"] * 3:
        raise SystemExit(f"a load failed: {rows}")


LOADS: Final = {OLD: load_before, NEW: load_now}


class Client:
    """A bot that has its connection, and loads again and again."""

    def __init__(self, address: str, way: str, number: int) -> None:
        self._connection = pq.PGconn.connect(address.encode())
        for name, text in STATEMENTS[way].items():
            prepared = self._connection.prepare(name.encode(), text.encode())
            if prepared.status != pq.ExecStatus.COMMAND_OK:
                raise SystemExit(prepared.get_error_message())
        self._connection.nonblocking = 1
        self._load = LOADS[way]
        self._account = f"bot_{number}"
        self.socket = self._connection.socket
        self.milliseconds: list[float] = []

    def start(self) -> None:
        """Begins a load."""
        self._started = time.perf_counter()
        self._steps = self._load(self._account)
        self._send(*next(self._steps))

    def receive(self) -> bool:
        """Takes what has arrived, and sends the next step; whether the load is done."""
        self._connection.consume_input()
        while not self._connection.is_busy():
            result = self._connection.get_result()
            if result is not None:
                self._rows = _rows(result)
                continue
            try:
                self._send(*self._steps.send(self._rows))
            except StopIteration:
                self.milliseconds.append((time.perf_counter() - self._started) * 1000)
                return True
            return False
        return False

    def close(self) -> None:
        """Closes the connection."""
        self._connection.finish()

    def _send(self, prepared: str | None, parameter: str | None) -> None:
        text = (parameter or "").encode()
        if prepared is None:
            self._connection.send_query(text)
        else:
            self._connection.send_query_prepared(
                prepared.encode(), [] if parameter is None else [text]
            )
        self._connection.flush()


def _rows(result: Any) -> Rows:
    if result.status == pq.ExecStatus.FATAL_ERROR:
        if result.error_field(pq.DiagnosticField.SQLSTATE) == b"RG026":  # flush, and ask again
            return []
        raise SystemExit(result.get_error_message())
    names = [result.fname(column).decode() for column in range(result.nfields)]
    return [
        {
            name: None if (value := result.get_value(row, column)) is None else value.decode()
            for column, name in enumerate(names)
        }
        for row in range(result.ntuples)
    ]


def run(clients: Sequence[Client], seconds: float) -> float:
    """Lets all clients load for this time; returns how long it took until the last was done."""
    started = time.perf_counter()
    poll = select.epoll()
    by_socket = {client.socket: client for client in clients}
    for client in clients:
        client.milliseconds.clear()
        poll.register(client.socket, select.EPOLLIN)
        client.start()
    working = len(clients)
    while working:
        for socket, _ in poll.poll():
            if by_socket[socket].receive():
                if time.perf_counter() < started + seconds:
                    by_socket[socket].start()
                else:
                    working -= 1
    poll.close()
    return time.perf_counter() - started


def processor(postmaster: int) -> float:
    """The processor's milliseconds of a server so far, with those of its sessions that ended."""
    ticks = 0
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit():
                numbers = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(folder.name) == postmaster:
                    ticks += sum(map(int, numbers[11:15]))
                elif int(numbers[1]) == postmaster:
                    ticks += sum(map(int, numbers[11:13]))
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


def postmaster_of(address: str) -> int:
    """The process of a server of this machine."""
    with psycopg.connect(address) as connection:
        status = Path(f"/proc/{connection.info.backend_pid}/stat").read_text()
    return int(status.rpartition(")")[2].split()[1])


@dataclass(slots=True)
class Fleet:
    """The bots of one program on one server, and what was measured."""

    login: str
    way: str
    postmaster: int
    figures: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, number: int, seconds: float) -> None:
        """One run of this many clients, with sessions of its own, which load before too."""
        clients = [Client(self.login, self.way, one) for one in range(number)]
        run(clients, seconds / 2)
        before = processor(self.postmaster)
        took = run(clients, seconds)
        spent = processor(self.postmaster) - before
        for client in clients:
            client.close()
        loads = sorted(one for client in clients for one in client.milliseconds)
        middle, slow = statistics.median(loads), loads[len(loads) * 99 // 100]
        for name, value in {
            "loads/s": len(loads) / took,
            "p50, ms": middle,
            "p99, ms": slow,
            "p99/p50": slow / middle,
            "server, ms of the processor for a load": spent / len(loads),
        }.items():
            self.figures.setdefault(name, []).append(value)


@contextlib.contextmanager
def program_of(commit: str) -> Iterator[Path]:
    """The project as it was at a commit."""
    archive = subprocess.run(
        ["git", "archive", commit], cwd=PROJECT, capture_output=True, check=False
    )
    if archive.returncode:
        raise SystemExit(
            f"there is no commit {commit} here to compare with; it takes a clone of the project "
            "with its history"
        )
    with tempfile.TemporaryDirectory(prefix="account-registry-fleet-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        uv = Path(sys.prefix).parent / "installer" / "bin" / "uv"
        own = {**os.environ, "UV_PROJECT_ENVIRONMENT": f"{folder}/venv"}
        command = [str(uv), "sync", "--quiet", "--frozen", "--no-dev", "--no-install-project"]
        subprocess.run([*command, "--project", folder], env=own, check=True)
        yield Path(folder)


def python(project: Path, script: str, *arguments: str, **environment: str) -> str:
    """Runs a script with the program of a folder, and returns what it printed."""
    own = project / "venv" / "bin" / "python"
    return subprocess.run(
        [own if own.exists() else sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": f"{project}:{project / 'tests'}", **environment},
        cwd=project,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


@contextlib.contextmanager
def filled(
    projects: dict[str, Path], address: str, key: str, clients: int
) -> Iterator[dict[str, str]]:
    """A database of each program, filled by it; yields the addresses for a bot's login."""
    with contextlib.ExitStack() as stack:
        logins = {}
        for way, project in projects.items():
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE fleet_{way}".encode())
            database = make_conninfo(address, dbname=f"fleet_{way}")
            python(project, MIGRATE, database)
            role = stack.enter_context(login_role(database, "registry_bot"))
            old = "old" if way == OLD else ""
            python(project, FILL, database, key, role.name, str(clients), old)
            logins[way] = role.address
        yield logins


def measure(
    projects: dict[str, Path], major: int, chosen: Any
) -> tuple[dict[str, Fleet], dict[str, list[float]]]:
    """Lets the programs take turns on a server."""
    key = generate_master_key().reveal()
    with (
        running_server(major, None) as address,
        filled(projects, address, key, chosen.clients) as logins,
    ):
        postmaster = postmaster_of(address)
        fleets = {way: Fleet(login, way, postmaster) for way, login in logins.items()}
        bots: dict[str, list[float]] = {way: [] for way in projects}
        for number in range(chosen.rounds):
            print(f"PostgreSQL {major}: round {number + 1} of {chosen.rounds}", file=sys.stderr)
            for way, fleet in fleets.items():
                fleet.measure(chosen.clients, chosen.seconds)
                settings = {"DATABASE_URL": fleet.login, "CREDENTIAL_ENCRYPTION_KEY": key}
                bots[way].append(float(python(projects[way], BOT, **settings)))
    return fleets, bots


def main() -> None:
    """Measures and prints."""
    chosen = options(
        "Loads of many bots at once, of this program and of an older one.",
        rounds=5,
        clients=64,
        seconds=4.0,
        before="1204526",
    )
    measured: dict[str, list[float]] = {}
    with program_of(chosen.before) as older:
        for major in SERVERS:
            try:
                fleets, bots = measure({OLD: older, NEW: PROJECT}, major, chosen)
            except pytest.UsageError as missing:
                raise SystemExit(str(missing)) from None
            for way, fleet in fleets.items():
                for name, values in fleet.figures.items():
                    measured[f"{major} {way}: {name}"] = values
            for way, values in bots.items():
                measured[f"{major} {way}: bot, ms of the processor"] = values
    targets = [
        Target(f"{major} {NEW}: {name}", f"{major} {OLD}: {name}", least=least, most=most)
        for major in SERVERS
        for name, least, most in [
            ("loads/s", 3, None),
            ("p99/p50", None, 0.5),
            ("server, ms of the processor for a load", None, 0.5),
            ("bot, ms of the processor", None, 0.6),
        ]
    ]
    place = ["df", "--output=fstype", tempfile.gettempdir()]
    kind = subprocess.run(place, capture_output=True, text=True, check=True).stdout.split()[-1]
    facts = {"file system (fsync is on)": kind, "processors": os.cpu_count()}
    report("fleet", "", measured, targets, as_json=chosen.json, facts=facts)


if __name__ == "__main__":
    main()
