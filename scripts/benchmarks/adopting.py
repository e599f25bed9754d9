"""How fast a large bot's database is adopted, and where the time goes.

    python scripts/benchmarks/adopting.py [ACCOUNTS]

Makes a legacy database with three credentials for each account (seven sealed fields) on an
embedded server of its own, adopts it, and checks that the tables are what the log says.
"""

import gc
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from cryptography.fernet import Fernet

from registry.database.connection import SingleConnection
from registry.database.embedded import EmbeddedServer
from registry.database.migrator import Migrator
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.services.adoption import AdoptionService
from registry.services.executor import Invocation
from registry.services.rebuild import RebuildService

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from support.legacy import LegacyDatabase, fill_many


def main() -> None:
    """Runs the benchmark."""
    gc.set_threshold(100_000)  # as the command line does
    accounts = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder))
        address = server.ensure_running()
        try:
            _run(address, accounts)
        finally:
            server.stop()


def _run(address: str, accounts: int) -> None:
    key = Fernet.generate_key().decode()
    with psycopg.connect(address, autocommit=True) as connection:
        started = time.monotonic()
        fill_many(LegacyDatabase(connection, key).make(), accounts)
        Migrator(connection).up()
        print(f"{accounts:,} accounts made in {time.monotonic() - started:.1f} s")
        connection.execute("VACUUM ANALYZE")
    database = SingleConnection(Target(address))
    service = AdoptionService(database, MasterKeyring([Secret(key)]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    server_before = _server_seconds(database)
    result = service.adopt(Invocation(actor="benchmark"))
    server = _server_seconds(database) - server_before
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent, credentials = result.spent, result.adopted["account_exchange_credentials"]
    own = spent.processor - spent.cryptography
    print(f"adopted {dict(result.adopted)} in {spent.total:.1f} s by the clock, of which")
    print(f"  appending {spent.appending:.1f} s, changing the tables {spent.tables:.1f} s")
    print(
        f"processor time: cryptography {spent.cryptography:.1f} s, rest of the program {own:.1f} s,"
    )
    print(f"  the server's process {server:.1f} s")
    print(f"credentials per second: {credentials / spent.total:,.0f} by the clock;")
    print(f"  of processor time without cryptography: {credentials / own:,.0f} in the program,")
    print(f"  {credentials / (own + server):,.0f} in the program and the server together")
    print(f"memory at most {after / 1024:,.0f} MB (before: {before / 1024:,.0f} MB)")
    report = RebuildService(database).check()
    print(f"rebuild --check: {report.size:,} events, {report.differing} rows differ")


def _server_seconds(database: SingleConnection) -> float:
    """The processor time of the server's process for this connection (Linux)."""
    with database.connection() as connection:
        stat = Path(f"/proc/{connection.info.backend_pid}/stat").read_text()
    user, system = stat.rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
