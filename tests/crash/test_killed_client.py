"""A client killed at any statement leaves its whole command, or nothing of it."""

import contextlib
import time
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.credentials import secrets
from support.dying import survives
from support.tables import live_rows, replayed_rows, snapshot
from support.world import said

from registry import Registry
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.execution.executor import Invocation, Outcome
from registry.rules.accounts import CreateAccount
from registry.services.changes.credentials import CredentialInput, CredentialService, Mode
from registry.services.changes.slot_tasks import SlotName

# A fork copies one thread only; the child uses nothing of the others.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

Act = Callable[[SingleConnection, MasterKeyring, Invocation], Outcome]

INPUTS = [
    CredentialInput(
        SlotName("aster", 0, "full"),
        secrets({"api_key": "c7", "secret_key": "c8"}),
        mode=Mode.MERGE,
    ),
    CredentialInput(
        SlotName("backpack", 0, "full"),
        secrets({"public_key": "c9", "secret_key": "c0"}),
        mode=Mode.MERGE,
    ),
]


def create(database: SingleConnection, _: MasterKeyring, by: Invocation) -> Outcome:
    return Registry(database).accounts.create("new", **said(by))


def update(database: SingleConnection, _: MasterKeyring, by: Invocation) -> Outcome:
    return Registry(database).accounts.update("bot", description="x", **said(by))


def delete(database: SingleConnection, _: MasterKeyring, by: Invocation) -> Outcome:
    return Registry(database).accounts.delete("bot", **said(by))


def import_new(database: SingleConnection, keyring: MasterKeyring, by: Invocation) -> Outcome:
    new = CreateAccount(account_name="new")
    service = CredentialService(database, keyring)
    return service.store("new", INPUTS, by, verb="import-env", create=new)


def import_again(database: SingleConnection, keyring: MasterKeyring, by: Invocation) -> Outcome:
    return CredentialService(database, keyring).store("bot", INPUTS, by, verb="import-env")


def query(address: str, sql: str, *parameters: Any) -> Any:
    with psycopg.connect(address, autocommit=True) as connection:
        row = connection.execute(sql.encode(), parameters).fetchone()
        return None if row is None else row[0]


def wait_until_alone(address: str) -> None:
    """The server ends a dead client's session as soon as it notices."""
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    deadline = time.monotonic() + 10
    while query(address, others):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def assert_consistent(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        assert live_rows(connection) == replayed_rows(connection)
        lost = connection.execute(
            "SELECT count(*) FROM account_exchange_credentials c "
            "LEFT JOIN credential_data_keys k ON k.id = c.data_key_id WHERE k.id IS NULL"
        ).fetchone()
        head = connection.execute(
            "SELECT size = (SELECT count(*) FROM audit_events) FROM audit_head"
        ).fetchone()
    assert (lost, head) == ((0,), (True,))


@pytest.mark.parametrize(
    ("act", "events"),
    [(create, 1), (update, 1), (delete, 2), (import_new, 3), (import_again, 2)],
)
def test_a_client_killed_at_each_statement_and_sent_again_is_applied_exactly_once(
    cli: CommandLine, database_url: str, act: Act, events: int
) -> None:
    cli("create-account", "bot")
    cli.store("bot", "aster", "--subaccount", "0")
    keyring = MasterKeyring.parse(Secret(cli.master_key))
    invocation = Invocation(actor="crash@test", command_id=uuid.uuid4())
    applied = "SELECT count(*) FROM audit_events WHERE command_id = %s"

    def command() -> Outcome:
        with contextlib.closing(SingleConnection(Target(database_url))) as database:
            return act(database, keyring, invocation)

    before = snapshot(database_url)
    killed = 0
    while not survives(command, killed + 1):
        killed += 1
        wait_until_alone(database_url)
        count = query(database_url, applied, invocation.command_id)
        assert count in (0, events)
        if count == 0:
            assert snapshot(database_url) == before
        assert_consistent(database_url)
    assert killed > 5
    after = snapshot(database_url)
    assert query(database_url, applied, invocation.command_id) == events

    again = command()
    assert again.replayed
    assert len(again.positions) == events
    assert snapshot(database_url) == after
    assert_consistent(database_url)
