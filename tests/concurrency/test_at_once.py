"""Several clients at once: one gets a name, no change is lost, and positions have no gaps."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.credentials import secrets
from support.tables import live_rows, replayed_rows

from registry import Registry
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.errors import AccountExists, CredentialExists, RegistryError, SecretInUse
from registry.execution.executor import Invocation, Outcome
from registry.facade.given import By
from registry.log.ids import new_id
from registry.rules.accounts import CreateAccount
from registry.services.changes.credentials import CredentialInput, CredentialService, Mode
from registry.services.changes.slot_tasks import SlotName

CLIENTS = 6
SECRETS = 30
Act = Callable[[SingleConnection, int], Outcome]


def me(number: int) -> By:
    return By(actor=f"client{number}@test")


def at_once(url: str, act: Act, clients: int = CLIENTS) -> list[Outcome | RegistryError]:
    """What became of the same thing, done by each client at the same moment."""
    barrier = threading.Barrier(clients)

    def client(number: int) -> Outcome | RegistryError:
        database = SingleConnection(Target(url))
        try:
            with database.connection():
                barrier.wait(timeout=30)
            return act(database, number)
        except RegistryError as error:
            return error
        finally:
            database.close()

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(client, range(clients)))


def positions(connection: psycopg.Connection[Any]) -> list[int]:
    return [r[0] for r in connection.execute("SELECT position FROM audit_events ORDER BY position")]


def assert_whole(connection: psycopg.Connection[Any]) -> None:
    assert positions(connection) == list(range(len(positions(connection))))
    assert live_rows(connection) == replayed_rows(connection)


def test_one_client_wins_a_name(database_url: str, connection: psycopg.Connection[Any]) -> None:
    results = at_once(
        database_url,
        lambda database, n: Registry(database).accounts.create("bot", **me(n)),
    )
    won = [r for r in results if isinstance(r, Outcome)]
    lost = [r for r in results if isinstance(r, AccountExists)]
    assert (len(won), len(lost)) == (1, CLIENTS - 1)
    assert positions(connection) == [0]
    assert_whole(connection)


def test_one_process_wins_a_name(cli: CommandLine) -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: cli.process("create-account", "bot"), range(4)))
    assert sorted(run.exit_status for run in runs) == [0, 4, 4, 4]
    assert len(cli("list-accounts", "--json").data) == 1


def test_no_update_of_one_account_is_lost(
    database_url: str, database: SingleConnection, connection: psycopg.Connection[Any]
) -> None:
    each = 5
    Registry(database).accounts.create("bot", **me(0))

    def act(mine: SingleConnection, number: int) -> Outcome:
        for step in range(each):
            change = f"{number}.{step}"
            outcome = Registry(mine).accounts.update("bot", description=change, **me(number))
        return outcome

    results = at_once(database_url, act)
    assert not [r for r in results if isinstance(r, RegistryError)]
    rows = connection.execute(
        "SELECT data ->> 'description', stream_version FROM audit_events "
        "WHERE event_type = 'AccountUpdated' ORDER BY position"
    ).fetchall()
    assert {row[0] for row in rows} == {f"{c}.{s}" for c in range(CLIENTS) for s in range(each)}
    assert [row[1] for row in rows] == list(range(2, 2 + CLIENTS * each))
    assert_whole(connection)


def test_one_client_fills_a_slot(
    database_url: str,
    database: SingleConnection,
    connection: psycopg.Connection[Any],
    keyring: MasterKeyring,
) -> None:
    Registry(database).accounts.create("bot", **me(0))

    def act(mine: SingleConnection, number: int) -> Outcome:
        fields = {"api_key": f"k{number}7", "secret_key": "s7"}
        credentials = Registry(mine, keyring=keyring).credentials
        return credentials.add("bot", "aster", fields, subaccount=0, **me(number))

    results = at_once(database_url, act)
    assert len([r for r in results if isinstance(r, Outcome)]) == 1
    assert len([r for r in results if isinstance(r, CredentialExists)]) == CLIENTS - 1
    assert_whole(connection)


def test_the_first_credentials_of_a_registry_share_one_fingerprint_key(
    database_url: str,
    database: SingleConnection,
    connection: psycopg.Connection[Any],
    keyring: MasterKeyring,
) -> None:
    for number in range(CLIENTS):
        Registry(database).accounts.create(f"bot{number}", **me(number))

    def act(mine: SingleConnection, number: int) -> Outcome:
        fields = {"api_key": "same7", "secret_key": "same8"}
        credentials = Registry(mine, keyring=keyring).credentials
        return credentials.add(
            f"bot{number}", "aster", fields, allow_shared_secret=True, **me(number)
        )

    results = at_once(database_url, act)
    assert not [r for r in results if isinstance(r, RegistryError)]
    assert connection.execute("SELECT count(*) FROM registry_keys").fetchone() == (1,)
    prints = connection.execute(
        "SELECT DISTINCT (data -> 'fingerprints')::text FROM audit_events "
        "WHERE event_type = 'CredentialAdded'"
    ).fetchall()
    assert len(prints) == 1
    assert_whole(connection)


def test_one_account_wins_a_secret_each_time(
    database_url: str,
    database: SingleConnection,
    connection: psycopg.Connection[Any],
    keyring: MasterKeyring,
) -> None:
    for number in range(2):
        Registry(database).accounts.create(f"bot{number}", **me(number))

    for secret in range(SECRETS):

        def act(mine: SingleConnection, number: int, secret: int = secret) -> Outcome:
            fields = {"api_key": f"k{secret}7", "secret_key": f"s{secret}7"}
            one = CredentialInput(SlotName("aster"), secrets(fields), mode=Mode.MERGE)
            service = CredentialService(mine, keyring)
            return service.store(
                f"bot{number}", [one], Invocation(actor=f"client{number}@test"), verb="import-env"
            )

        results = at_once(database_url, act, clients=2)
        assert len([r for r in results if isinstance(r, Outcome)]) == 1
        assert len([r for r in results if isinstance(r, SecretInUse)]) == 1
    assert_whole(connection)


def test_one_command_sent_by_all_at_once_is_applied_once(
    database_url: str, connection: psycopg.Connection[Any]
) -> None:
    command_id = new_id()
    results = at_once(
        database_url,
        lambda database, n: Registry(database).accounts.create(
            "bot", actor=f"c{n}", command_id=command_id
        ),
    )
    outcomes = [r for r in results if isinstance(r, Outcome)]
    assert len(outcomes) == CLIENTS, results
    assert {(o.positions, o.stream_id) for o in outcomes} == {((0,), outcomes[0].stream_id)}
    assert [o.replayed for o in outcomes].count(False) == 1
    assert positions(connection) == [0]


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_a_reader_never_sees_a_gap(database_url: str, isolation: str) -> None:
    """Positions become visible in their own order: nothing that was skipped appears later."""
    done = threading.Event()
    gaps: list[Any] = []
    looks = 0

    def read() -> None:
        nonlocal looks
        seen = 0
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"SET default_transaction_isolation = '{isolation}'")
            while not done.is_set():
                row = connection.execute(
                    "SELECT count(*), coalesce(max(position), -1) + 1 FROM audit_events"
                ).fetchone()
                assert row is not None
                looks += 1
                if row[0] != row[1] or row[0] < seen:
                    gaps.append(row)
                seen = row[0]

    def write(database: SingleConnection, number: int) -> Outcome:
        for step in range(8):
            outcome = Registry(database).accounts.create(f"{number}.{step}", **me(number))
        return outcome

    reader = threading.Thread(target=read)
    reader.start()
    try:
        results = at_once(database_url, write, clients=4)
    finally:
        done.set()
        reader.join(timeout=10)
    assert not [r for r in results if isinstance(r, RegistryError)]
    assert looks > 5
    assert gaps == []


def test_the_first_uses_of_an_exchange_at_once_make_one_row(
    database_url: str, connection: psycopg.Connection[Any], keyring: MasterKeyring
) -> None:
    def use(database: SingleConnection, number: int) -> Outcome:
        fields = secrets({"api_key": f"k{number}-7", "secret_key": f"s{number}-7"})
        return CredentialService(database, keyring).store(
            f"bot{number}",
            [CredentialInput(SlotName("binance"), fields)],
            Invocation(actor=f"client{number}@test"),
            verb="import-env",
            create=CreateAccount(account_name=f"bot{number}"),
        )

    for outcome in at_once(database_url, use):
        assert isinstance(outcome, Outcome), outcome
    query = "SELECT count(*) FROM dexes WHERE name = 'binance'"
    assert connection.execute(query).fetchone() == (1,)
    query = "SELECT count(*) FROM audit_events WHERE event_type = 'ExchangeAdded'"
    assert connection.execute(query).fetchone() == (1,)
    assert_whole(connection)
