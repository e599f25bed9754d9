"""The list of problems, and the figures for Prometheus, of a registry of a thousand accounts.

scripts/benchmark problems [--rounds 9] [--accounts 1000] [--positions 10] [--events 100000]
"""

import time
from collections.abc import Callable

import biglog
import psycopg
from harness import options, own_server, report, take_turns

from registry.database.opening import open_registry
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.services.metrics.figures import figures_of
from registry.services.problems.finding import found_in
from registry.services.problems.outside import NO_FILES

POSITIONS = """
INSERT INTO strategy_positions (id, strategy_name, symbol_id, long_dex_id, short_dex_id, size_usd,
    entry_long_rate, entry_short_rate, entry_divergence, opened_at, account_id)
SELECT gen_random_uuid(), 's', (SELECT min(id) FROM symbols), 1, 2, 100, 0, 0, 0, now(), a.id
FROM accounts AS a, generate_series(1, %s)
"""
LIMITS = """
UPDATE accounts SET metadata =
    '{"max_positions": 20, "max_exposure_usd": 10000,
      "allowed_exchanges": ["aster", "lighter", "backpack"]}'
"""


def fill(address: str, events: int, accounts: int, positions: int) -> None:
    """Accounts of three credentials each with limits, open positions, and releases."""
    with psycopg.connect(address, autocommit=True) as connection:
        keyring = MasterKeyring([generate_master_key()])
        biglog.fill(connection, events, keyring, accounts=accounts)
        connection.execute("SET session_replication_role = replica")
        connection.execute("INSERT INTO symbols (symbol) VALUES ('BTC')")
        connection.execute(POSITIONS, [positions])
        connection.execute(LIMITS)
        connection.execute("VACUUM ANALYZE")


def seconds(step: Callable[[], object]) -> Callable[[], float]:
    """How long a step takes, in milliseconds."""

    def measured() -> float:
        started = time.perf_counter()
        step()
        return (time.perf_counter() - started) * 1000

    return measured


def main() -> None:
    """Measures both, in turns."""
    given = options(__doc__ or "", rounds=9, accounts=1000, positions=10, events=100_000)
    with own_server() as address:
        fill(address, given.events, given.accounts, given.positions)
        with open_registry(Target(address)) as connection:
            ways = {
                "problems": seconds(lambda: found_in(connection)),
                "figures": seconds(lambda: figures_of(connection, NO_FILES)),
            }
            measured = take_turns(ways, given.rounds, quiet=True)
            found = len(found_in(connection))
    facts = {
        "accounts": given.accounts,
        "open positions": given.accounts * given.positions,
        "events": given.events,
        "problems": found,
    }
    report("problems", "ms", measured, (), as_json=given.json, facts=facts)


if __name__ == "__main__":
    main()
