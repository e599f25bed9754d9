"""A whole command (read, decide, append, project), against an UPDATE with an audit trigger.

    scripts/benchmark command [--rounds 5] [--seconds 2] [--json]

The plain tables are a common alternative: the row, and a trigger that keeps the old and the new
row as JSON. The UPDATE alone neither reads nor checks anything before. Each client changes the
descriptions of a few hundred accounts in turn.
"""

import uuid
from collections.abc import Callable
from itertools import cycle
from typing import Final

import plain
import psycopg
from harness import Client, Step, Target, options, own_server, rate, report, take_turns

from registry.database.opening import SingleConnection
from registry.database.target import Target as Database
from registry.registry import Registry

CLIENTS: Final = 16
ACCOUNTS: Final = 200

TARGETS: Final = [
    Target("command, 1 client", "UPDATE with audit trigger, 1 client", least=0.8),
    Target("command, 1 client", "SELECT, then UPDATE with audit trigger, 1 client"),
    Target("command, 16 clients", "UPDATE with audit trigger, 16 clients"),
    Target("command, 16 clients", "SELECT, then UPDATE with audit trigger, 16 clients"),
]

_UPDATE: Final = (
    "UPDATE plain_accounts SET description = %s, updated_at = now() WHERE account_name = %s"
)


def main() -> None:
    """Measures and prints."""
    chosen = options("A command against an UPDATE with an audit trigger.", rounds=5, seconds=2.0)
    ways: dict[str, Client] = {
        "UPDATE with audit trigger": update,
        "SELECT, then UPDATE with audit trigger": select_and_update,
        "command": command,
    }
    with own_server() as address:
        runs: dict[str, Callable[[], float]] = {}
        for clients in (1, CLIENTS):
            for name, client in ways.items():
                label = f"{name}, {clients} client{'s' if clients > 1 else ''}"
                runs[label] = _fresh(address, client, clients, chosen.seconds)
        measured = take_turns(runs, chosen.rounds)
    report("command", "changes/s", measured, TARGETS, as_json=chosen.json)


def _fresh(address: str, client: Client, clients: int, seconds: float) -> Callable[[], float]:
    def run() -> float:
        # New accounts each time, so that histories have the same length for each way.
        _prepare(address, clients)
        return rate(address, client, clients, seconds)

    return run


def _prepare(address: str, clients: int) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(plain.MAKE)
    database = SingleConnection(Database(address))
    accounts = Registry(database).accounts
    run = uuid.uuid4().hex[:8]
    for number in range(clients * ACCOUNTS // (1 if clients == 1 else 8)):
        accounts.create(f"{run}-{number}")
    database.close()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO plain_accounts SELECT * FROM public.accounts WHERE account_name LIKE %s",
            [f"{run}-%"],
        )
        connection.execute("TRUNCATE plain_audit")


def _names(address: str, number: int) -> "cycle[str]":
    with psycopg.connect(address) as connection:
        rows = connection.execute("SELECT account_name FROM plain_accounts ORDER BY account_name")
        names = [name for (name,) in rows]
    return cycle(names[number:] + names[:number])


def update(address: str, number: int) -> Step:
    """One UPDATE statement."""
    names = _names(address, number)
    connection = psycopg.connect(address, autocommit=True)
    return lambda: connection.execute(_UPDATE, [str(uuid.uuid4()), next(names)])


def select_and_update(address: str, number: int) -> Step:
    """The same after a SELECT, as in a program that reads before it writes."""
    names = _names(address, number)
    connection = psycopg.connect(address, autocommit=True)

    def step() -> None:
        name = next(names)
        connection.execute(
            "SELECT * FROM plain_accounts WHERE account_name = %s", [name]
        ).fetchone()
        connection.execute(_UPDATE, [str(uuid.uuid4()), name])

    return step


def command(address: str, number: int) -> Step:
    """The command `update-account`, on one connection."""
    names = _names(address, number)
    accounts = Registry(SingleConnection(Database(address))).accounts
    return lambda: accounts.update(next(names), description=str(uuid.uuid4()))


if __name__ == "__main__":
    main()
