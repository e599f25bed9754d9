"""One secret in two accounts: refused on every path, unless allowed."""

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from support.credentials import secrets
from support.raw_events import append_raw
from support.tables import nothing_written
from support.world import BY, World

from registry.encryption.secret import Secret
from registry.errors import InvalidInput, RegistryError, SecretInUse
from registry.execution.executor import Outcome
from registry.rules.accounts import CreateAccount
from registry.services.changes.credentials import CredentialInput, CredentialService, Mode
from registry.services.changes.slot_tasks import SlotName
from registry.services.changes.store_many import AccountInput, SeveralAccounts
from registry.services.importing.options import import_inputs
from registry.subaccounts import Subaccounts

ASTER = {"api_key": "key-of-a", "secret_key": "secret-of-a"}
LIGHTER = {"private_key": "lighter-of-a", "account_index": "7", "api_key_index": "3"}
ADDRESS = "0x00000000000000000000000000000000000000C3"
HYPERLIQUID = {"wallet_address": ADDRESS, "private_key": "0x" + "0decade5" * 8}
EDGEX = {"account_id": "5", "stark_private_key": "stark-of-a", "base_url": "https://one.example"}
BACKPACK = {"public_key": "public-of-a", "secret_key": "secret-of-a"}
GIVEN_UP = "a for aster held the same api_key and secret_key before, in version 1"
GRVT = {"trading_account_id": "42", "private_key": "signer-of-a", "api_key": "key-of-a"}


def store(
    world: World,
    account: str,
    exchange: str,
    fields: Mapping[str, str],
    *,
    mode: Mode = Mode.ADD,
    allowed: bool = False,
    **slot: Any,
) -> Outcome:
    one = CredentialInput(SlotName(exchange, **slot), secrets(fields), mode=mode)
    service = CredentialService(world.database, world.keyring)
    return service.store(account, [one], BY, verb="test", allow_shared_secret=allowed)


@pytest.fixture
def two(world: World) -> World:
    """Account a with its credential, and b with none."""
    world.account("a")
    world.account("b")
    store(world, "a", "aster", ASTER)
    return world


@pytest.mark.parametrize("mode", Mode)
def test_a_secret_of_another_account_is_refused_by_its_name_unless_told(
    two: World, database_url: str, mode: Mode
) -> None:
    if mode is Mode.REPLACE:
        store(two, "b", "aster", {"api_key": "own", "secret_key": "own"})
    with nothing_written(database_url), pytest.raises(SecretInUse) as refused:
        store(two, "b", "aster", ASTER, mode=mode)
    assert refused.value.message == "account a holds the same api_key and secret_key for aster"
    assert 'shares.grant("b", "a", "aster")' in (refused.value.hint or "")
    done = store(two, "b", "aster", ASTER, mode=mode, allowed=True)
    assert done.notes == ("b and a hold the same api_key and secret_key for aster",)


def test_one_equal_key_of_several_is_enough(two: World) -> None:
    with pytest.raises(SecretInUse, match="a holds the same secret_key for aster"):
        store(two, "b", "aster", {**ASTER, "api_key": "another"})


def test_no_error_and_no_note_holds_a_value(two: World) -> None:
    with pytest.raises(SecretInUse) as refused:
        store(two, "b", "aster", ASTER)
    done = store(two, "b", "aster", ASTER, allowed=True)
    for value in ASTER.values():
        assert value not in f"{refused.value.message}{refused.value.hint}{done.notes}"


def test_what_is_stopped_still_holds_its_secret_and_what_is_gone_does_not(two: World) -> None:
    two.credentials.deactivate("a", "aster")
    two.accounts.deactivate("a")
    with pytest.raises(SecretInUse):
        store(two, "b", "aster", ASTER)
    two.credentials.remove("a", "aster")
    assert store(two, "b", "aster", ASTER).notes == (GIVEN_UP,)


def test_a_version_that_was_replaced_holds_nothing(two: World) -> None:
    store(two, "a", "aster", {"api_key": "new", "secret_key": "new"}, mode=Mode.REPLACE)
    assert store(two, "b", "aster", ASTER).notes == (GIVEN_UP,)


def test_the_same_again_in_its_own_place_is_nothing_new(two: World) -> None:
    store(two, "b", "aster", ASTER, allowed=True)
    for account in ("a", "b"):
        done = store(two, account, "aster", ASTER, mode=Mode.MERGE)
        assert (done.changed, [one.change for one in done.stored]) == (False, ["unchanged"])


@pytest.mark.parametrize(
    ("exchange", "fields", "other"),
    [
        ("lighter", LIGHTER, {"account_index": "8"}),
        ("hyperliquid", HYPERLIQUID, {"wallet_address": ADDRESS[:-1] + "4"}),
        ("edgex", EDGEX, {"account_id": "6"}),
        ("grvt", GRVT, {"trading_account_id": "43"}),
        ("grvt", GRVT, {"environment": "testnet"}),
    ],
)
def test_with_other_public_fields_it_is_another_account_at_the_exchange(
    two: World, exchange: str, fields: dict[str, str], other: dict[str, str]
) -> None:
    store(two, "a", exchange, fields)
    (note,) = store(two, "b", exchange, {**fields, **other}).notes
    assert note.startswith("b and a hold the same")
    assert note.endswith("and they are two accounts at the exchange")


@pytest.mark.parametrize(
    ("exchange", "fields", "other"),
    [
        ("lighter", LIGHTER, {"api_key_index": "4"}),
        ("edgex", EDGEX, {"base_url": "https://other.example"}),
        ("backpack", BACKPACK, {"public_key": "another"}),
        ("grvt", GRVT, {"api_key": "another"}),
    ],
)
def test_with_other_settings_it_is_the_same_account(
    two: World, exchange: str, fields: dict[str, str], other: dict[str, str]
) -> None:
    store(two, "a", exchange, fields)
    with pytest.raises(SecretInUse):
        store(two, "b", exchange, {**fields, **other})


def test_another_account_at_the_exchange_cannot_become_the_same_by_a_replacement(
    two: World,
) -> None:
    vault = {**HYPERLIQUID, "wallet_address": ADDRESS[:-1] + "4"}
    store(two, "a", "hyperliquid", HYPERLIQUID)
    store(two, "b", "hyperliquid", vault)
    with pytest.raises(SecretInUse):
        store(two, "b", "hyperliquid", {"wallet_address": ADDRESS}, mode=Mode.MERGE)


def test_another_slot_of_the_same_account_is_noted(two: World) -> None:
    reader = store(two, "a", "aster", ASTER, permission="read_only")
    assert reader.notes == ("a holds the same api_key and secret_key for aster already",)


def test_the_same_value_at_another_exchange_is_another_secret(two: World) -> None:
    assert store(two, "b", "grvt", {**GRVT, "api_key": ASTER["api_key"]}).notes == ()


def test_what_people_choose_themselves_is_no_key(two: World) -> None:
    fields = [
        {"name": name, "env": f"OKX_{name.upper()}"} for name in ("api_key", "passphrase", "uid")
    ]
    two.exchanges.add("okx", fields)
    given = {"api_key": "key-of-a", "passphrase": "always the same", "uid": "77"}
    store(two, "a", "okx", given)
    assert store(two, "b", "okx", {**given, "api_key": "key-of-b"}).notes == ()
    two.account("c")
    with pytest.raises(SecretInUse, match="same api_key for okx"):
        store(two, "c", "okx", given)
    (note,) = store(two, "c", "okx", {**given, "uid": "78"}).notes
    assert "two accounts at the exchange" in note


def several(world: World, *accounts: str, allowed: bool = False) -> SeveralAccounts:
    return SeveralAccounts(
        world.database,
        world.keyring,
        [
            AccountInput(
                f"file of {name}",
                name,
                [CredentialInput(SlotName("aster"), secrets(ASTER), mode=Mode.MERGE)],
                CreateAccount(account_name=name),
            )
            for name in accounts
        ],
        verb="import-env",
        allow_shared_secret=allowed,
    )


def test_two_accounts_of_one_command_are_compared_too(world: World, database_url: str) -> None:
    with nothing_written(database_url), pytest.raises(SecretInUse, match="account d holds"):
        several(world, "c", "d").store(BY)
    done = several(world, "c", "d", allowed=True).store(BY)
    assert done["c"].notes == ("c and d hold the same api_key and secret_key for aster",)
    assert done["d"].notes == ("d and c hold the same api_key and secret_key for aster",)


def test_a_preview_says_whose_secret_it_is(two: World, database_url: str) -> None:
    with nothing_written(database_url):
        problems = several(two, "b", "new").problems()
    assert {source: type(one) for source, one in problems.items()} == {
        "file of b": SecretInUse,
        "file of new": SecretInUse,
    }


def test_a_dry_run_is_refused_and_noted_like_the_command(two: World, database_url: str) -> None:
    with nothing_written(database_url):
        with pytest.raises(SecretInUse):
            two.credentials.add("b", "aster", ASTER, dry_run=True)
        told = two.credentials.add("b", "aster", ASTER, dry_run=True, allow_shared_secret=True)
    assert told.notes


def test_an_event_that_was_appended_by_hand_stops_no_import(
    two: World, connection: psycopg.Connection[Any]
) -> None:
    """Fingerprints of another form are in the log, and are nobody's."""
    row = connection.execute(
        "SELECT stream_id, data FROM audit_events WHERE event_type = 'CredentialAdded'"
    ).fetchone()
    assert row is not None
    data = {**row[1], "fingerprints": {"x": [1, "y" * 9000]}, "version": 2}
    append_raw(connection, "CredentialAdded", ("account", row[0]), data)
    with pytest.raises(SecretInUse):
        store(two, "b", "aster", ASTER)


# ---------------------------------------------------------------- which slot is meant


def import_(world: World, account: str, fields: Mapping[str, str], number: int | None) -> Outcome:
    secrets = {"lighter": {name: Secret(value) for name, value in fields.items()}}
    inputs = import_inputs(secrets, Subaccounts.of(number))
    service = CredentialService(world.database, world.keyring)
    return service.store(account, inputs, BY, verb="import-env")


def test_an_import_that_names_no_subaccount_makes_no_second_slot(
    two: World, database_url: str
) -> None:
    store(two, "b", "lighter", LIGHTER, subaccount_index=3)
    new = {**LIGHTER, "private_key": "new"}
    with nothing_written(database_url), pytest.raises(InvalidInput) as refused:
        import_(two, "b", new, None)
    assert refused.value.message == (
        "account b has lighter subaccount 3, and the import names no subaccount"
    )
    assert refused.value.hint == (
        "subaccount=3 replaces what is there, subaccount=0 adds a credential beside it."
    )
    done = import_(two, "b", new, 3)
    assert [(str(one.slot), one.change, one.version) for one in done.stored] == [
        ("lighter subaccount 3", "replaced", 2)
    ]


@pytest.mark.parametrize(
    ("held", "named", "slot", "change"),
    [
        ([], None, "lighter", "added"),
        ([0], None, "lighter subaccount 0", "replaced"),
        ([None], None, "lighter", "replaced"),
        ([0, 3], None, "lighter subaccount 0", "replaced"),
        ([None, 3], None, "lighter", "replaced"),
        ([None, 0], None, "lighter", "replaced"),
        ([None], 0, "lighter", "replaced"),
        ([3], 0, "lighter subaccount 0", "added"),
        ([0], 3, "lighter subaccount 3", "added"),
        ([0, 3], 3, "lighter subaccount 3", "replaced"),
    ],
)
def test_the_slot_of_an_import(
    two: World, held: list[int | None], named: int | None, slot: str, change: str
) -> None:
    for number in held:
        fields = {**LIGHTER, "private_key": f"of-{number}"}
        two.credentials.add("b", "lighter", fields, subaccount=number)
    new = {**LIGHTER, "private_key": "new"}
    done = import_(two, "b", new, named)
    assert [(str(one.slot), one.change) for one in done.stored] == [(slot, change)]


def test_who_gets_a_second_key_is_told_that_loads_must_choose(two: World) -> None:
    other = {"api_key": "k2", "secret_key": "s2"}
    done = store(two, "a", "aster", other, subaccount_index=3)
    choose = "a has aster and aster subaccount 3 from now on: a load that names no subaccount"
    assert done.notes == (f"{choose} is refused",)
    third = store(two, "a", "aster", {"api_key": "k3", "secret_key": "s3"}, subaccount_index=4)
    assert third.notes == ()
    for number in (3, 4):
        two.credentials.deactivate("a", "aster", subaccount=number)
    assert two.credentials.reactivate("a", "aster", subaccount=3).notes == done.notes


def test_a_refusal_is_an_error_of_the_registry_that_says_what_to_do() -> None:
    assert issubclass(SecretInUse, RegistryError)
    assert SecretInUse.exit_status == 5
