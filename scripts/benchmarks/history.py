"""Reading an account's history in a large log, against a keyed SELECT of the same rows.

scripts/benchmark history [--events 200000] [--rounds 5] [--seconds 1] [--json]
"""

import uuid
from typing import Final

import psycopg
from append import event
from harness import Step, Target, options, own_server, rate, report, take_turns

from registry.database.connection import SingleConnection
from registry.database.target import Target as Database
from registry.decisions.account import CreateAccount, UpdateAccount
from registry.log.bulk import Append, append_in_bulk
from registry.services.accounts import AccountService
from registry.services.executor import Invocation
from registry.services.history import HistoryFilter, history

ACCOUNT: Final = "measured"
CHANGES: Final = 50

TARGETS: Final = [Target("history of an account", "SELECT of its rows")]


def main() -> None:
    """Measures and prints."""
    chosen = options("History of one account.", events=200_000, rounds=5, seconds=1.0)
    with own_server() as address:
        _fill(address, chosen.events)
        measured = take_turns(
            {
                "SELECT of its rows": lambda: rate(address, select, 1, chosen.seconds),
                "history of an account": lambda: rate(address, of_account, 1, chosen.seconds),
                "history, newest of all": lambda: rate(address, newest, 1, chosen.seconds),
            },
            chosen.rounds,
        )
    report("history", "reads/s", measured, TARGETS, as_json=chosen.json)


def _fill(address: str, events: int) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        for _ in range(0, events, 20_000):
            record, _ = event()
            append_in_bulk(connection, [Append(record, n, event()[1]) for n in range(20_000)])
    database = SingleConnection(Database(address))
    service, by = AccountService(database), Invocation(actor="benchmark@host")
    service.create(CreateAccount(account_name=ACCOUNT), by)
    for _ in range(CHANGES - 1):
        service.update(ACCOUNT, UpdateAccount(description=uuid.uuid4().hex), by)
    database.close()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) public.audit_events, public.accounts")


def select(address: str, _: int) -> Step:
    """The account's id by its name, and its events by that."""
    connection = psycopg.connect(address, autocommit=True)

    def step() -> None:
        row = connection.execute(
            "SELECT id FROM public.accounts WHERE account_name = %s", [ACCOUNT]
        ).fetchone()
        connection.execute(
            "SELECT * FROM public.audit_events WHERE stream_type = 'account' AND stream_id = %s"
            " ORDER BY stream_version",
            row,
        ).fetchall()

    return step


def of_account(address: str, _: int) -> Step:
    """What the verb `history ACCOUNT` reads."""
    database = SingleConnection(Database(address))
    return lambda: history(database, HistoryFilter(account=ACCOUNT))


def newest(address: str, _: int) -> Step:
    """What the verb `history` reads."""
    database = SingleConnection(Database(address))
    return lambda: history(database, HistoryFilter(limit=CHANGES))


if __name__ == "__main__":
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    main()
