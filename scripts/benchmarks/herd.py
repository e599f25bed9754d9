"""Many bots that start at once: whether all get their credential, and their waiting times.

    scripts/benchmark herd [--loaders 1000] [--processes 8] [--strangers] [--rounds 1] [--json]

Each bot is a thread with a loader of its own and one load, all under one bot login. The server
has its default connection limit, a tenth of the bots' need. Loaders of one process wait for one
another; with --strangers they do not, as if each were a process.
"""

import contextlib
import logging
import statistics
from collections.abc import Iterator
from typing import Any, Final

from harness import Limit, options, own_server, report
from support.bots import login_role
from support.herd import EXCHANGE, Herd, run_herd
from support.world import World

from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key

PATIENCE: Final = 60.0
"""The longest time that a bot waits for its turn, in seconds."""


def main() -> None:
    """Measures and prints."""
    chosen = options(
        "Many bots that start at once.", loaders=1000, processes=8, strangers=False, rounds=1
    )
    logging.getLogger("registry").setLevel(logging.ERROR)
    key = generate_master_key()
    accounts = [f"account_{number}" for number in range(chosen.loaders)]
    with own_server() as address, bots(address, MasterKeyring([key]), accounts) as login:
        herds = [
            run_herd(login, accounts, key.reveal(), chosen.processes, strangers=chosen.strangers)
            for _ in range(chosen.rounds)
        ]
        most = _connections(address)
    _report(herds, chosen, most)


@contextlib.contextmanager
def bots(address: str, keyring: MasterKeyring, accounts: list[str]) -> Iterator[str]:
    """Creates the accounts with a credential each; yields the address of a bot login for them."""
    database = SingleConnection(Target(address))
    world = World(database, keyring)
    with login_role(address) as login:
        for account in accounts:
            world.account(account, EXCHANGE)
            world.access.grant(account, login.name)
        database.close()
        yield login.address


def _connections(address: str) -> int:
    database = SingleConnection(Target(address))
    with contextlib.closing(database), database.connection() as connection:
        row = connection.execute(
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int"
        ).fetchone()
    return int(row[0]) if row else 0


def _report(herds: list[Herd], chosen: Any, connections: int) -> None:
    seconds = sorted(second for herd in herds for second in herd.seconds)
    failed = [failure for herd in herds for failure in herd.failures]
    facts = {
        "loaders": chosen.loaders,
        "processes": chosen.processes,
        "connections that the server gives": connections,
        "served": len(seconds),
        "tried again": sum(herd.retries for herd in herds),
        "p99, s": round(statistics.quantiles(seconds, n=100)[98], 2),
        "first failure": failed[0] if failed else "none",
    }
    limits = [
        Limit("loaders without their credential", len(failed), 0),
        Limit("the longest wait, s", round(seconds[-1], 1), PATIENCE),
    ]
    report("herd", "s", {"load": seconds}, [], as_json=chosen.json, limits=limits, facts=facts)


if __name__ == "__main__":
    main()
