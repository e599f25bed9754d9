"""The processor time of a verb from start to end, against Python with psycopg and one query.

scripts/benchmark cli [--rounds 15] [--json]

Processor time (user and system), since other load on the machine changes what a clock says.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Final

import psycopg
from harness import Target, options, own_server, report, take_turns
from support.credentials import FIELDS
from support.large_log import load_events, many_accounts

from registry.encryption.keyring import generate_master_key
from registry.registry import Registry

_ONE_QUERY: Final = (
    "import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL']).execute("
    "'SELECT * FROM accounts ORDER BY account_name').fetchall())"
)
_EVENTS: Final = 10_000
_TARGETS: Final = [
    Target("list-accounts", "python, psycopg, one query", most=1.5),
    Target("update-account", "list-accounts", most=1.4),
    Target("run", "list-accounts", most=1.3),
    Target("import registry.loader", "import psycopg", most=1.6),
    Target("history, 10,000 rows", "history, 10,000 rows as JSON", most=1.5),
]


def main() -> None:
    """Measures and prints."""
    chosen = options("Start to end of a verb.", rounds=15)
    key = generate_master_key()
    with own_server() as address:
        with psycopg.connect(address, autocommit=True) as connection:
            load_events(connection, many_accounts(_EVENTS // 8))
        with Registry.open(address, key=key, actor="benchmark@host") as registry:
            for number in range(20):
                registry.accounts.create(f"bot-{number}")
            registry.credentials.add("bot-1", "aster", FIELDS["aster"])
        environment = {
            **os.environ,
            "DATABASE_URL": address,
            "CREDENTIAL_ENCRYPTION_KEY": key.reveal(),
        }

        def run(*arguments: str) -> Callable[[], float]:
            return lambda: _processor_time([sys.executable, *arguments], environment)

        verb = ("-m", "registry.commands")
        history = (*verb, "history", "--limit", str(_EVENTS))
        numbers = iter(range(10_000))

        def changed(number: int) -> float:
            return run(*verb, "update-account", "bot-1", "--description", str(number))()

        measured = take_turns(
            {
                "python": run("-c", "pass"),
                "import psycopg": run("-c", "import psycopg"),
                "import registry.loader": run("-c", "import registry.loader"),
                "python, psycopg, one query": run("-c", _ONE_QUERY),
                "list-accounts": run(*verb, "list-accounts"),
                "update-account": lambda: changed(next(numbers)),
                "run": run(*verb, "run", "--account", "bot-1", "--", "/bin/true"),
                "help": run(*verb, "--help"),
                "history, 10,000 rows": run(*history),
                "history, 10,000 rows as JSON": run(*history, "--json"),
            },
            chosen.rounds,
        )
    report("cli", "ms", measured, _TARGETS, as_json=chosen.json)


def _processor_time(command: list[str], environment: dict[str, str]) -> float:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(command[1:])}")
    return (usage.ru_utime + usage.ru_stime) * 1000


if __name__ == "__main__":
    main()
