"""Reading an account's history in a large log, against a keyed SELECT of the same rows.

    scripts/benchmark history [--events 200000] [--rounds 5] [--seconds 1] [--peers] [--json]

--peers adds plain tables with an audit trigger: the audit rows of an account of the same size.
"""

import functools
import uuid
from typing import Final, LiteralString

import plain
import psycopg
from append import event
from harness import Client, Step, Target, options, own_server, rate, report, take_turns

from registry.database.opening import SingleConnection
from registry.database.target import Target as Database
from registry.log.bulk import Append, append_in_bulk
from registry.registry import Registry
from registry.services.reading.history import HistoryFilter, history

ACCOUNT: Final = "measured"
CHANGES: Final = 50

PEER: Final = "SELECT of an audit trigger's rows"

TARGETS: Final = [
    Target("history of an account", "SELECT of its rows"),
    Target("history of an account", PEER),
]


def main() -> None:
    """Measures and prints."""
    chosen = options("History of one account.", events=200_000, rounds=5, seconds=1.0, peers=False)
    ways: dict[str, Client] = {
        "SELECT of its rows": select,
        "history of an account": of_account,
        "history, newest of all": newest,
    }
    with own_server() as address:
        _fill(address, chosen.events)
        if chosen.peers:
            _fill_plain(address, chosen.events)
            ways[PEER] = of_plain
        measured = take_turns(
            {
                n: functools.partial(rate, address, way, 1, chosen.seconds)
                for n, way in ways.items()
            },
            chosen.rounds,
        )
    report("history", "reads/s", measured, TARGETS, as_json=chosen.json)


def _fill_plain(address: str, events: int) -> None:
    """Creates an equal number of audit rows, in total and for the measured account."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(plain.MAKE)
        connection.execute(
            "INSERT INTO plain_accounts SELECT * FROM public.accounts WHERE account_name = %s",
            [ACCOUNT],
        )
        for number in range(CHANGES - 1):
            connection.execute("UPDATE plain_accounts SET description = %s", [str(number)])
        connection.execute(
            "INSERT INTO plain_audit (account_id, changed_at, changed_by, old_row, new_row)"
            " SELECT gen_random_uuid(), a.changed_at, a.changed_by, a.old_row, a.new_row"
            " FROM plain_audit AS a, generate_series(1, %s)",
            [events // CHANGES],
        )
        connection.execute("VACUUM (ANALYZE) plain_audit")


def _fill(address: str, events: int) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        for _ in range(0, events, 20_000):
            record, _ = event()
            append_in_bulk(connection, [Append(record, n, event()[1]) for n in range(20_000)])
    database = SingleConnection(Database(address))
    accounts = Registry(database).accounts
    accounts.create(ACCOUNT)
    for _ in range(CHANGES - 1):
        accounts.update(ACCOUNT, description=str(uuid.uuid4()))
    database.close()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) public.audit_events, public.accounts")


def select(address: str, _: int) -> Step:
    """Reads the account's id by its name, and then its events."""
    return _rows(
        address,
        "SELECT id FROM public.accounts WHERE account_name = %s",
        "SELECT * FROM public.audit_events WHERE stream_type = 'account' AND stream_id = %s"
        " ORDER BY stream_version",
    )


def of_plain(address: str, _: int) -> Step:
    """Reads the audit rows of the account."""
    return _rows(
        address,
        "SELECT id FROM plain_accounts WHERE account_name = %s",
        "SELECT * FROM plain_audit WHERE account_id = %s ORDER BY id",
    )


def _rows(address: str, id_of_account: LiteralString, rows_of_id: LiteralString) -> Step:
    connection = psycopg.connect(address, autocommit=True)

    def step() -> None:
        row = connection.execute(id_of_account, [ACCOUNT]).fetchone()
        connection.execute(rows_of_id, row).fetchall()

    return step


def of_account(address: str, _: int) -> Step:
    """The read of the verb `history ACCOUNT`."""
    database = SingleConnection(Database(address))
    return lambda: history(database, HistoryFilter(account=ACCOUNT))


def newest(address: str, _: int) -> Step:
    """The read of the verb `history`."""
    database = SingleConnection(Database(address))
    return lambda: history(database, HistoryFilter(limit=CHANGES))


if __name__ == "__main__":
    main()
