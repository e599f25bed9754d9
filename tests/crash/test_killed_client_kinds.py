"""Further kinds of commands, killed at each statement, take effect wholly or not at all."""

import contextlib
import datetime as dt
import time
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from support.credentials import secrets
from support.dying import survives
from support.whole_log import check_whole_log
from support.world import said

from registry import Registry
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.execution.executor import CommandExecutor, Invocation, Outcome
from registry.facade.given import By
from registry.services.changes.credentials import CredentialInput, CredentialService, Mode
from registry.services.changes.rotating import ActivateTask, PrepareTask
from registry.services.changes.slot_tasks import SlotName

pytestmark = [
    pytest.mark.slow,
    # A fork copies one thread only; the child uses nothing of the others.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

Act = Callable[[SingleConnection, MasterKeyring, Invocation], Outcome]

ASTER, BACKPACK = SlotName("aster", 0), SlotName("backpack", 0)
FIRST = CredentialInput(ASTER, secrets({"api_key": "k-one", "secret_key": "s-one"}))
ADDED = CredentialInput(ASTER, secrets({"api_key": "k-new", "secret_key": "s-new"}))
SECOND = CredentialInput(
    ASTER, secrets({"api_key": "k-two", "secret_key": "s-two"}), mode=Mode.REPLACE
)
OTHER = CredentialInput(
    BACKPACK, secrets({"public_key": "p-one", "secret_key": "s-one"}), mode=Mode.MERGE
)
THIRD = CredentialInput(ASTER, secrets({"api_key": "k-three", "secret_key": "s-four"}))
FOURTH = secrets({"api_key": "k-four", "secret_key": "s-five"})
MERGED = CredentialInput(ASTER, secrets({"secret_key": "s-three"}), mode=Mode.MERGE)


def _store(name: str, *inputs: CredentialInput) -> Act:
    return lambda database, keyring, by: CredentialService(database, keyring).store(
        name, inputs, by, verb="store"
    )


def _by(act: Callable[[Registry, By], Outcome]) -> Act:
    return lambda database, _, by: act(Registry(database), said(by))


KINDS: dict[str, tuple[Act, int]] = {
    "rename-account": (_by(lambda of, by: of.accounts.rename("bot", "renamed", **by)), 1),
    "deactivate-account": (_by(lambda of, by: of.accounts.deactivate("bot", **by)), 1),
    "reactivate-account": (_by(lambda of, by: of.accounts.reactivate("still", **by)), 1),
    "delete-account with a credential": (_by(lambda of, by: of.accounts.delete("bot", **by)), 2),
    "add-credential": (_store("empty", ADDED), 1),
    "replace-credential": (_store("bot", SECOND), 1),
    "import-env of two, one of them held": (_store("bot", MERGED, OTHER), 2),
    "update-credential": (
        _by(lambda of, by: of.credentials.update("bot", "aster", label="new", **by)),
        1,
    ),
    "deactivate-credential": (
        _by(lambda of, by: of.credentials.deactivate("bot", "aster", **by)),
        1,
    ),
    "rotate-credential --prepare": (
        lambda database, keyring, by: CommandExecutor(database).execute(
            PrepareTask("bot", ASTER, SECOND.fields, {}, keyring), by
        ),
        1,
    ),
    "rotate-credential --activate": (
        lambda database, _, by: CommandExecutor(database).execute(
            ActivateTask("turned", ASTER, dt.timedelta(hours=1)), by
        ),
        2,
    ),
    "remove-credential": (_by(lambda of, by: of.credentials.remove("bot", "aster", **by)), 1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_killed_anywhere_and_sent_again_it_is_applied_exactly_once(
    database_url: str, connection: psycopg.Connection[Any], keyring: MasterKeyring, kind: str
) -> None:
    act, events = KINDS[kind]
    before = _prepare(database_url, keyring)
    invocation = Invocation(actor="crash@test", command_id=uuid.uuid4())

    def command() -> Outcome:
        with contextlib.closing(SingleConnection(Target(database_url))) as database:
            return act(database, keyring, invocation)

    killed = 0
    while not survives(command, killed + 1):
        killed += 1
        _wait_until_alone(connection)
        assert check_whole_log(connection) in (before, before + events)
        assert _orphans(connection) == (0, 0)
    assert killed >= 5, "reads, BEGIN, append, change, COMMIT"
    assert check_whole_log(connection) == before + events
    again = command()
    assert again.replayed
    assert len(again.positions) == events
    assert check_whole_log(connection) == before + events


def _prepare(address: str, keyring: MasterKeyring) -> int:
    by = Invocation(actor="tester@host")
    with contextlib.closing(SingleConnection(Target(address))) as database:
        accounts = Registry(database).accounts
        for name in ("bot", "empty", "still"):
            accounts.create(name)
        accounts.deactivate("still")
        accounts.create("turned")
        _store("bot", FIRST)(database, keyring, by)
        _store("turned", THIRD)(database, keyring, by)
        task = PrepareTask("turned", ASTER, FOURTH, {}, keyring)
        CommandExecutor(database).execute(task, by)
    return 8


def _wait_until_alone(connection: psycopg.Connection[Any]) -> None:
    """The server ends a dead client's session as soon as it notices."""
    deadline = time.monotonic() + 20
    others = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    while connection.execute(others).fetchone() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _orphans(connection: psycopg.Connection[Any]) -> Any:
    """Credentials without their data key, and data keys of versions that never came to be."""
    return connection.execute(
        """
        SELECT
            (SELECT count(*) FROM account_exchange_credentials AS c
             WHERE NOT EXISTS (SELECT FROM credential_data_keys AS k WHERE k.id = c.data_key_id)),
            (SELECT count(*) FROM credential_data_keys AS k
             WHERE NOT EXISTS (SELECT FROM audit_events AS e
                               WHERE e.data ->> 'data_key_id' = k.id::text))
        """
    ).fetchone()
