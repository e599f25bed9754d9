"""How long a release takes: python scripts/benchmarks/release.py [--rounds N] [--json].

In one run, on one server and one connection, by medians:

- load: one credential decrypted, its release recorded and durable; against the floor of one
  durable INSERT, one SELECT by primary key and the same decryption.
- resolve: which credential, without a release; against the plain join of the same rows.

The server is the one of REGISTRY_BENCHMARK_DATABASE_URL (a database to fill), or an
embedded one in a temporary folder. Rounds of both sides take turns, so that whatever else
the machine does falls on both.
"""

import argparse
import json
import logging
import os
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import structlog

from projections.credentials import tokens_of
from registry.database.connection import SingleConnection
from registry.database.embedded import EmbeddedServer
from registry.database.migrator import Migrator
from registry.database.target import Target
from registry.decisions.account import CreateAccount
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.encryption.sealing import DataKey, Place
from registry.services.accounts import AccountService
from registry.services.credentials import CredentialInput, CredentialService, SlotName
from registry.services.executor import Invocation
from registry.services.releases import Caller, ReleaseService
from registry.services.resolution import Wish, resolve
from registry.services.sharing import SharingService

LIMITS = {"load": 2.5, "resolve": 1.5}
"""How much slower than its floor each may be."""

_BY = Invocation(actor="benchmark@host")
_CALLER = Caller(actor="benchmark@host", host="host", purpose="benchmark")
_FIELDS = {"public_key": "p" * 44, "secret_key": "s" * 44}
_ACCOUNTS = 200

_ROW = """
    SELECT c.*, k.wrapped_key, k.master_key_id FROM account_exchange_credentials AS c
    JOIN credential_data_keys AS k ON k.id = c.data_key_id WHERE c.id = %s"""
_INSERT = "INSERT INTO benchmark_floor (id, data) VALUES (%s, %s::json)"
_JOIN = """
    SELECT c.id, c.version, c.permission, c.subaccount_index, c.expires_at, c.is_active
    FROM accounts AS a JOIN dexes AS d ON d.name = %s
    JOIN account_exchange_credentials AS c ON c.account_id = a.id AND c.exchange_id = d.id
    WHERE a.account_name = %s"""
_SHARED_JOIN = """
    SELECT c.id, c.version, c.permission, c.subaccount_index, c.expires_at, c.is_active,
        l.account_name, l.is_active, s.sharing_type
    FROM accounts AS a JOIN dexes AS d ON d.name = %s
    LEFT JOIN account_exchange_credentials AS o ON o.account_id = a.id AND o.exchange_id = d.id
    JOIN account_exchange_sharing AS s ON s.primary_account_id = a.id AND s.exchange_id = d.id
    JOIN accounts AS l ON l.id = s.shared_account_id
    JOIN account_exchange_credentials AS c ON c.account_id = l.id AND c.exchange_id = d.id
    WHERE a.account_name = %s AND o.id IS NULL"""


class Registry:
    """A registry with some accounts, and both sides of each comparison."""

    def __init__(self, database: SingleConnection) -> None:
        self.database = database
        self.keyring = MasterKeyring([generate_master_key()])
        self.service = ReleaseService(database, self.keyring)
        with database.connection() as connection:
            self.connection = connection
            connection.execute("SET plan_cache_mode = auto")
            connection.execute(
                "CREATE TABLE benchmark_floor (id uuid PRIMARY KEY, data json NOT NULL, "
                "at timestamptz NOT NULL DEFAULT now())"
            )
        self._fill()
        row = self._one("SELECT id FROM account_exchange_credentials LIMIT 1")
        self.credential_id = row[0]

    def _fill(self) -> None:
        accounts = AccountService(self.database)
        credentials = CredentialService(self.database, self.keyring)
        for number in range(_ACCOUNTS):
            accounts.create(CreateAccount(account_name=f"account_{number}"), _BY)
            if number % 2 == 0:
                one = CredentialInput(SlotName("backpack"), _FIELDS)
                credentials.store(f"account_{number}", [one], _BY, verb="benchmark")
            else:
                lender = f"account_{number - 1}"
                SharingService(self.database).share(
                    f"account_{number}", lender, "backpack", "full", _BY
                )
        self.connection.execute("ANALYZE")

    def _one(self, query: str, *parameters: Any) -> Any:
        return self.connection.execute(query.encode(), parameters or None).fetchone()

    def load(self) -> None:
        """What a bot does at its start."""
        self.service.release_one("account_10", "backpack", Wish(), _CALLER).plain()

    def load_floor(self) -> None:
        """The least that must happen: something durable, the row, and its decryption."""
        self.connection.execute(_INSERT, [uuid.uuid4(), '{"who": "benchmark@host", "why": "x"}'])
        with self.connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            row: Any = cursor.execute(_ROW, [self.credential_id]).fetchone()
        key = DataKey.unwrap(
            self.keyring, row["data_key_id"], row["wrapped_key"], row["master_key_id"]
        )
        place = Place(
            row["account_id"], row["exchange_id"], row["subaccount_index"], row["permission"]
        )
        for secret in key.open(place, tokens_of(row)).values():
            secret.reveal()

    def resolve_own(self) -> None:
        """An own credential."""
        resolve(self.database, "account_10", "backpack", Wish())

    def resolve_own_floor(self) -> None:
        """The join behind it."""
        self.connection.execute(_JOIN, ["backpack", "account_10"]).fetchall()

    def resolve_shared(self) -> None:
        """A borrowed one."""
        resolve(self.database, "account_11", "backpack", Wish())

    def resolve_shared_floor(self) -> None:
        """The join behind it."""
        self.connection.execute(_SHARED_JOIN, ["backpack", "account_11"]).fetchall()


def compare(
    name: str, ours: Callable[[], None], floor: Callable[[], None], rounds: int
) -> dict[str, Any]:
    """Medians in milliseconds, and their ratio."""
    times: dict[str, list[float]] = {"ours": [], "floor": []}
    for round_number in range(rounds + rounds // 10):
        for side, work in (("floor", floor), ("ours", ours)):
            begin = time.perf_counter()
            work()
            spent = time.perf_counter() - begin
            if round_number >= rounds // 10:  # the first tenth warms up
                times[side].append(spent)
    medians = {side: statistics.median(spent) * 1000 for side, spent in times.items()}
    limit = LIMITS[name.partition(" ")[0]]
    ratio = medians["ours"] / medians["floor"]
    return {
        "name": name,
        "ms": round(medians["ours"], 3),
        "floor_ms": round(medians["floor"], 3),
        "ratio": round(ratio, 2),
        "limit": limit,
        "within": ratio <= limit,
    }


@contextmanager
def database() -> Iterator[SingleConnection]:
    """An empty, migrated database."""
    address = os.environ.get("REGISTRY_BENCHMARK_DATABASE_URL")
    folder = None
    if address is None:
        folder = Path(tempfile.mkdtemp(prefix="account-registry-benchmark-"))
        server = EmbeddedServer(folder)
        address = server.ensure_running()
    with psycopg.connect(address, autocommit=True) as connection:
        Migrator(connection).up()
    opened = SingleConnection(Target(address))
    try:
        yield opened
    finally:
        opened.close()
        if folder is not None:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)


def run(rounds: int) -> list[dict[str, Any]]:
    """All comparisons."""
    with database() as opened:
        registry = Registry(opened)
        return [
            compare("load", registry.load, registry.load_floor, rounds),
            compare("resolve own", registry.resolve_own, registry.resolve_own_floor, rounds),
            compare(
                "resolve shared", registry.resolve_shared, registry.resolve_shared_floor, rounds
            ),
        ]


def main() -> int:
    """Runs and prints; 6 if something is beyond its limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    results = run(arguments.rounds)
    if arguments.json:
        print(json.dumps(results))
    else:
        for one in results:
            verdict = "within" if one["within"] else "BEYOND"
            print(
                f"{one['name']:<15} {one['ms']:.3f} ms, floor {one['floor_ms']:.3f} ms: "
                f"{one['ratio']:.2f}x, {verdict} the limit of {one['limit']}x"
            )
    return 0 if all(one["within"] for one in results) else 6


if __name__ == "__main__":
    sys.exit(main())
