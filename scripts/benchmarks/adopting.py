"""Adoption of a large bot's database: the duration, and its parts.

    scripts/benchmark adopting [--accounts 100000] [--rounds 1] [--json]

Creates a legacy database on a server of its own, with three credentials per account (seven
sealed fields). Then it adopts the database, and checks that the tables match the log.
"""

import contextlib
import gc
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from cryptography.fernet import Fernet
from harness import options, report, take_turns

from registry.database.migrator import Migrator
from registry.database.opening import SingleConnection
from registry.database.scratch import fresh_server
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.execution.executor import Invocation
from registry.execution.vault import Vault
from registry.rebuild.rebuild import RebuildService
from registry.services.adoption.adoption import adopt

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from support.legacy import LegacyDatabase, fill_many


def main() -> None:
    """Measures and prints."""
    gc.set_threshold(100_000)  # as the command line does
    chosen = options("Adopting a large bot's database.", accounts=100_000, rounds=1)
    facts: dict[str, Any] = {"accounts": chosen.accounts}

    def adopted() -> float:
        # A database can be adopted only once, so each round creates a new one.
        with fresh_server() as address:
            return _run(address, chosen.accounts, facts)

    measured = take_turns({"adopt": adopted}, chosen.rounds)
    report("adopting", "s", measured, [], as_json=chosen.json, facts=facts)


def _run(address: str, accounts: int, facts: dict[str, Any]) -> float:
    key = Fernet.generate_key().decode()
    with psycopg.connect(address, autocommit=True) as connection:
        fill_many(LegacyDatabase(connection, key).make(), accounts)
        Migrator(connection).up()
        connection.execute("VACUUM ANALYZE")
    database = SingleConnection(Target(address))
    keyring = MasterKeyring([Secret(key)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    server_before = _server_seconds(database)
    started = time.process_time()
    with _timed(Vault, "seal") as sealing, _timed(MasterKeyring, "open_bare") as opening:
        result = adopt(database, [keyring], Invocation(actor="benchmark"))
    processor = time.process_time() - started
    cryptography = sum(sealing) + sum(opening)
    server = _server_seconds(database) - server_before
    credentials = result.adopted["account_exchange_credentials"]
    own = processor - cryptography
    check = RebuildService(database).check()
    if check.differing:
        raise SystemExit(f"{check.differing} rows are not what the log says")
    facts |= {
        "credentials": credentials,
        "events": check.size,
        "processor: cryptography, s": round(cryptography, 1),
        "processor: rest of the program, s": round(own, 1),
        "processor: the server, s": round(server, 1),
        "credentials a second of processor, without cryptography": round(credentials / own),
        "the same with the server": round(credentials / (own + server)),
        "memory, MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "memory before, MiB": before // 1024,
    }
    database.close()
    return result.seconds


@contextlib.contextmanager
def _timed(kind: type, name: str) -> Iterator[list[float]]:
    """Collects the processor time of each call of a method."""
    method, seconds = getattr(kind, name), []

    def call(*arguments: Any) -> Any:
        before = time.thread_time()
        result = method(*arguments)
        seconds.append(time.thread_time() - before)
        return result

    setattr(kind, name, call)
    yield seconds
    setattr(kind, name, method)


def _server_seconds(database: SingleConnection) -> float:
    """The processor time of the server's process for this connection (Linux)."""
    with database.connection() as connection:
        stat = Path(f"/proc/{connection.info.backend_pid}/stat").read_text()
    user, system = stat.rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
