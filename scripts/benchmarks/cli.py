"""The duration of a verb from start to end, against Python with psycopg and one query.

scripts/benchmark cli [--rounds 15] [--json]
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from harness import Target, options, own_server, report, take_turns

from registry.database.opening import SingleConnection
from registry.database.target import Target as Database
from registry.execution.executor import Invocation
from registry.rules.accounts import CreateAccount
from registry.services.changes.accounts import AccountService

_ONE_QUERY: Final = (
    "import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL']).execute("
    "'SELECT * FROM accounts ORDER BY account_name').fetchall())"
)
_TARGETS: Final = [
    Target("list-accounts", "python, psycopg, one query", most=1.5),
    Target("update-account", "python, psycopg, one query"),
]


def main() -> None:
    """Measures and prints."""
    chosen = options("Start to end of a verb.", rounds=15)
    with own_server() as address:
        service = AccountService(database := SingleConnection(Database(address)))
        for number in range(20):
            service.create(
                CreateAccount(account_name=f"bot-{number}"), Invocation(actor="benchmark@host")
            )
        database.close()
        verb = ["-m", "registry.commands"]
        measured = take_turns(
            {
                "python": _run(address, "-c", "pass"),
                "python, psycopg, one query": _run(address, "-c", _ONE_QUERY),
                "list-accounts": _run(address, *verb, "list-accounts"),
                "update-account": _run(
                    address, *verb, "update-account", "bot-1", "--description", "x"
                ),
                "help": _run(address, *verb, "--help"),
            },
            chosen.rounds,
        )
    report("cli", "ms", measured, _TARGETS, as_json=chosen.json)


def _run(address: str, *arguments: str) -> Callable[[], float]:
    environment = {**os.environ, "DATABASE_URL": address}

    def run() -> float:
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, *arguments], check=True, capture_output=True, env=environment
        )
        return (time.perf_counter() - started) * 1000

    return run


if __name__ == "__main__":
    main()
