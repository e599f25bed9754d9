"""The duration of a release, against the minimum of necessary work.

    scripts/benchmark release [--rounds 1000] [--json]

Medians of one run on one server and one connection:
- load: one credential decrypted, its release recorded and durable; against one durable INSERT,
  one SELECT by primary key and the same decryption.
- resolve: the selection of a credential without a release; against the plain join of its rows.
- load of three: all credentials of an account; against the load of one. Also on a server before
  PostgreSQL 17, on which no function can flush the release.

Both sides take turns, so that other load on the machine affects both.
"""

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final, LiteralString

import psycopg
from harness import Target, options, own_server, report, server_is_given, take_turns

from projections.credentials import tokens_of
from registry.database.opening import SingleConnection
from registry.database.target import Target as Database
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.encryption.sealing import DataKey, Place
from registry.registry import Registry
from registry.services.releases.releases import Caller, ReleaseService
from registry.services.releases.resolution import Wish, resolve

_OLD: Final = 16

TARGETS: Final = [
    Target("load", "floor of load", most=2.5),
    Target("load of three", "load of one", most=1.5),
    Target(f"load of three on {_OLD}", f"load of one on {_OLD}", most=1.5),
    Target("resolve own", "floor of resolve own", most=1.5),
    Target("resolve shared", "floor of resolve shared", most=1.5),
]

_CALLER = Caller(actor="benchmark@host", host="host", purpose="benchmark")
_FIELDS = {
    "lighter": ("private_key", "account_index"),
    "backpack": ("public_key", "secret_key"),
    "aster": ("api_key", "secret_key"),
}
_ACCOUNTS = 200
_OWNER, _BORROWER = "account_10", "account_11"

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


def _values(account: str, exchange: str) -> dict[str, str]:
    """Fields of realistic length; no two accounts have equal values."""
    names = _FIELDS[exchange]
    return {name: "7" if name == "account_index" else f"{account}-{name:x<44}" for name in names}


class Filled:
    """A registry with some accounts, and both sides of each comparison."""

    def __init__(self, database: SingleConnection, asking: SingleConnection) -> None:
        self.database = database
        # The caller is an operator in another session. (Within one session, functions called under
        # alternating search_paths are planned again each time.)
        self.asking = asking
        self.keyring = MasterKeyring([generate_master_key()])
        self.registry = Registry(database, keyring=self.keyring, actor=_CALLER.actor)
        self.service = ReleaseService(database, self.keyring)
        with database.connection() as connection:
            self.connection = connection
        with asking.connection() as connection:
            self.asking_connection = connection
        for connection in (self.connection, self.asking_connection):
            connection.execute("SET plan_cache_mode = auto")
        self.connection.execute(
            "CREATE TABLE benchmark_floor (id uuid PRIMARY KEY, data json NOT NULL, "
            "at timestamptz NOT NULL DEFAULT now())"
        )
        self._fill()
        row = self._one("SELECT id FROM account_exchange_credentials LIMIT 1")
        self.credential_id = row[0]

    def _fill(self) -> None:
        self._store("of_one", "lighter")
        self._store("of_three", *_FIELDS)
        for number in range(_ACCOUNTS):
            if number % 2 == 0:
                self._store(f"account_{number}", "backpack")
            else:
                lender = f"account_{number - 1}"
                self.registry.accounts.create(f"account_{number}")
                self.registry.shares.grant(f"account_{number}", lender, "backpack")
        self.connection.execute("ANALYZE")

    def _store(self, account: str, *exchanges: str) -> None:
        self.registry.accounts.create(account)
        for exchange in exchanges:
            self.registry.credentials.add(account, exchange, _values(account, exchange))

    def _one(self, query: str, *parameters: Any) -> Any:
        return self.connection.execute(query.encode(), parameters or None).fetchone()

    def load(self) -> None:
        """The load of a bot at its start."""
        self.service.release_one(_OWNER, "backpack", Wish(), _CALLER).plain()

    def load_all(self, account: str) -> None:
        """The load of a bot that uses several exchanges."""
        releases = self.service.release(account, None, Wish(), _CALLER)
        if releases.problems:
            raise next(iter(releases.problems.values()))

    def load_floor(self) -> None:
        """The necessary minimum: a durable write, the row, and its decryption."""
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

    def resolve(self, account: str) -> None:
        """Resolves a credential."""
        resolve(self.asking, account, "backpack", Wish())

    def join(self, statement: LiteralString, account: str) -> None:
        """The plain join for it."""
        self.asking_connection.execute(statement, ["backpack", account]).fetchall()


def milliseconds(work: Callable[[], None]) -> Callable[[], float]:
    """Returns a function that does the work once and returns its duration."""

    def run() -> float:
        begin = time.perf_counter()
        work()
        return (time.perf_counter() - begin) * 1000

    return run


def loads(registry: Filled, server: str = "") -> dict[str, Callable[[], float]]:
    """A load of one credential, and one of three."""
    return {
        f"load of one{server}": milliseconds(lambda: registry.load_all("of_one")),
        f"load of three{server}": milliseconds(lambda: registry.load_all("of_three")),
    }


@contextlib.contextmanager
def registry_on(major: int | None = None) -> Iterator[Filled]:
    """A registry on a server of this version, by default the newest."""
    with own_server(major) as address:
        database = SingleConnection(Database(address))
        asking = SingleConnection(Database(address))
        yield Filled(database, asking)
        database.close()
        asking.close()


def measure(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """The measurements, after a warm-up of plans and caches."""
    take_turns(ways, rounds // 10, quiet=True)
    return take_turns(ways, rounds, quiet=True)


def main() -> None:
    """Measures and prints."""
    chosen = options("A release against the least that must happen.", rounds=1000)
    logging.getLogger("registry").setLevel(logging.ERROR)
    with registry_on() as registry:
        ways = {
            "floor of load": milliseconds(registry.load_floor),
            "load": milliseconds(registry.load),
            "floor of resolve own": milliseconds(lambda: registry.join(_JOIN, _OWNER)),
            "resolve own": milliseconds(lambda: registry.resolve(_OWNER)),
            "floor of resolve shared": milliseconds(lambda: registry.join(_SHARED_JOIN, _BORROWER)),
            "resolve shared": milliseconds(lambda: registry.resolve(_BORROWER)),
            **loads(registry),
        }
        measured = measure(ways, chosen.rounds)
    if not server_is_given():
        with registry_on(_OLD) as registry:
            measured |= measure(loads(registry, f" on {_OLD}"), chosen.rounds)
    report("release", "ms", measured, TARGETS, as_json=chosen.json)


if __name__ == "__main__":
    main()
