"""Threat: Swapped ciphertext.

A superuser without a master key moves tokens and wrapped keys. A bot would then get another
account's secret under a name that it trusts.
"""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.registry_tables import unguarded
from support.world import CALLER, World

from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.errors import CannotDecrypt, MasterKeyWrong, RegistryError
from registry.services.releases.releases import ReleaseService
from registry.services.releases.resolution import Wish

Connection = psycopg.Connection[Any]
Swap = Callable[[str], None]

CREDENTIALS = "account_exchange_credentials"


@pytest.fixture
def swap(world: World, connection: Connection) -> Swap:
    """Runs a statement without any guard, over the accounts `mallory` and `victim`."""
    for account in ("mallory", "victim"):
        world.account(account, "backpack")
        world.credential(account, "aster", subaccount=0)
        world.credential(account, "aster", subaccount=7)
        world.credential(account, "aster", subaccount=0, permission="read_only")

    def run(statement: str) -> None:
        with unguarded(connection):
            connection.execute(statement.encode())

    return run


def released(world: World, account: str = "victim", exchange: str = "aster") -> Any:
    """What a bot of the account gets, or the error."""
    service = ReleaseService(world.database, world.keyring)
    try:
        return service.release_one(account, exchange, Wish.of(0), CALLER)
    except RegistryError as error:
        return error


def row(account: str, exchange: str = "aster", slot: str = "TRUE") -> str:
    """A condition that picks a row, or the rows, of an account."""
    return (
        f"account_id = (SELECT id FROM accounts WHERE account_name = '{account}') "
        f"AND exchange_id = (SELECT id FROM dexes WHERE name = '{exchange}') AND {slot}"
    )


FULL = "subaccount_index = 0 AND permission = 'full'"
READ_ONLY = "permission = 'read_only'"
VICTIM = f"c.id = (SELECT id FROM {CREDENTIALS} WHERE {row('victim', 'aster', FULL)})"
TOKENS = "api_key_encrypted = o.api_key_encrypted, secret_key_encrypted = o.secret_key_encrypted"
WITH_KEY = f"{TOKENS}, data_key_id = o.data_key_id"


def copied(columns: str, source: str) -> str:
    """The statement that copies columns over the victim's full Aster credential."""
    return (
        f"UPDATE {CREDENTIALS} AS c SET {columns} "
        f"FROM (SELECT * FROM {CREDENTIALS} WHERE {source}) AS o WHERE {VICTIM}"
    )


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {CREDENTIALS} SET api_key_encrypted = secret_key_encrypted, "
        "secret_key_encrypted = api_key_encrypted WHERE api_key_encrypted IS NOT NULL",
        f"UPDATE {CREDENTIALS} SET secret_key_encrypted = api_key_encrypted "
        "WHERE api_key_encrypted IS NOT NULL",
        copied(TOKENS, row("mallory", "aster", FULL)),
        copied(WITH_KEY, row("mallory", "aster", FULL)),
        copied(TOKENS, row("victim", "aster", "subaccount_index = 7")),
        copied(WITH_KEY, row("victim", "aster", "subaccount_index = 7")),
        copied(WITH_KEY, row("victim", "aster", READ_ONLY)),
        copied(
            "secret_key_encrypted = o.secret_key_encrypted, data_key_id = o.data_key_id",
            row("victim", "backpack"),
        ),
        f"UPDATE {CREDENTIALS} SET exchange_id = (SELECT id FROM dexes WHERE name = 'grvt') "
        f"WHERE {row('victim', 'aster', FULL)}",
        "UPDATE credential_data_keys AS k SET wrapped_key = o.wrapped_key FROM "
        "credential_data_keys AS o WHERE o.id <> k.id",
        "UPDATE credential_data_keys SET wrapped_key = 'gAAAAA'",
        "UPDATE credential_data_keys SET wrapped_key = 'ü'",
    ],
    ids=[
        "fields swapped",
        "one field over another",
        "another account's",
        "another account's with its key",
        "another subaccount's",
        "another subaccount's with its key",
        "another permission's with its key",
        "another exchange's with its key",
        "the row moved to another exchange",
        "data keys swapped",
        "a data key damaged",
        "a data key that is not even ASCII",
    ],
)
def test_what_was_moved_does_not_open(world: World, swap: Swap, statement: str) -> None:
    before = released(world)
    assert before.plain()["secret_key"] == "victim-aster-secret"
    swap(statement)
    exchange = "grvt" if "grvt" in statement else "aster"
    error = released(world, exchange=exchange)
    assert isinstance(error, CannotDecrypt), error


def test_a_credential_given_to_another_account_does_not_open(world: World, swap: Swap) -> None:
    swap(f"DELETE FROM {CREDENTIALS} WHERE {row('mallory')}")
    swap(
        f"UPDATE {CREDENTIALS} SET account_id = (SELECT id FROM accounts "
        f"WHERE account_name = 'mallory') WHERE {row('victim')}"
    )
    assert isinstance(released(world, "mallory"), CannotDecrypt)


def test_a_read_only_key_cannot_be_made_a_full_one_by_its_row(world: World, swap: Swap) -> None:
    swap(f"DELETE FROM {CREDENTIALS} WHERE {row('victim', 'aster', FULL)}")
    swap(f"UPDATE {CREDENTIALS} SET permission = 'full' WHERE {row('victim', 'aster', READ_ONLY)}")
    assert isinstance(released(world), CannotDecrypt)


@pytest.mark.parametrize("name", ["0" * 12, "", "x" * 300])
def test_another_master_keys_id_is_named_and_nothing_is_tried(
    world: World, swap: Swap, name: str
) -> None:
    swap(f"UPDATE credential_data_keys SET master_key_id = '{name}'")
    assert isinstance(released(world), MasterKeyWrong)


def test_a_data_key_of_the_attackers_own_is_refused(world: World, swap: Swap) -> None:
    """He can wrap a key of his own, but only under a master key that nobody has configured."""
    swap("CREATE TABLE ids AS SELECT id FROM credential_data_keys")
    own = MasterKeyring([generate_master_key()])
    with world.database.connection() as connection:
        rows = connection.execute("SELECT id FROM ids").fetchall()
    for (key_id,) in rows:
        wrapped = own.wrap(key_id, bytes(32))
        swap(f"UPDATE credential_data_keys SET wrapped_key = '{wrapped}' WHERE id = '{key_id}'")
    assert isinstance(released(world), CannotDecrypt)


def test_what_remains_an_older_version_of_the_same_slot_opens_and_is_named_by_verify(
    world: World, swap: Swap, cli: CommandLine
) -> None:
    """Nothing binds a token to "newest": a superuser can bring a replaced key back."""
    swap(f"CREATE TABLE older AS SELECT * FROM {CREDENTIALS} WHERE {row('victim', 'aster', FULL)}")
    world.credential(
        "victim",
        "aster",
        subaccount=0,
        replace=True,
        api_key="new-key",
        secret_key="new-secret",
    )
    assert released(world).plain()["secret_key"] == "new-secret"
    swap(f"UPDATE {CREDENTIALS} AS c SET {WITH_KEY} FROM older AS o WHERE c.id = o.id")
    assert released(world).plain()["secret_key"] == "victim-aster-secret"
    verdict = cli("verify", "--without-keys", "--json")
    assert verdict.exit_status == 6
    assert "secret_key_encrypted" in verdict.out


NAMES_SWAPPED = (
    "UPDATE accounts SET account_name = 'x' WHERE account_name = 'victim'",
    "UPDATE accounts SET account_name = 'victim' WHERE account_name = 'mallory'",
    "UPDATE accounts SET account_name = 'mallory' WHERE account_name = 'x'",
)


def test_what_remains_a_name_leads_to_the_account_that_a_superuser_gives_it_to(
    world: World, swap: Swap, cli: CommandLine
) -> None:
    """Keys are bound to ids; what is called how stands in the tables."""
    for statement in NAMES_SWAPPED:
        swap(statement)
    assert released(world).plain()["secret_key"] == "mallory-aster-secret"
    verdict = cli("verify", "--without-keys", "--json")
    assert verdict.exit_status == 6
    assert "account_name" in verdict.out


@pytest.mark.parametrize("other", ["grvt", "new"])
def test_what_remains_so_does_an_exchanges_name_and_its_table_is_the_bots_own(
    world: World, swap: Swap, cli: CommandLine, connection: Connection, other: str
) -> None:
    for old, new in ((other, "x"), ("aster", other), ("x", "aster")):
        connection.execute("UPDATE dexes SET name = %s WHERE name = %s", [new, old])
    assert released(world, exchange=other).plain()["secret_key"] == "victim-aster-secret"
    verdict = cli("verify", "--without-keys", "--json")
    assert verdict.exit_status == 6
    told = [one["message"] for one in verdict.data["failures"] if one["check"] == "exchanges"]
    assert told == [f"the exchange {other} of the table dexes was aster when this was stored"]
