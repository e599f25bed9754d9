"""A sealed field can be opened only for its own place."""

import uuid
from dataclasses import replace

import pytest

from registry.encryption.fingerprint import Fingerprinter
from registry.encryption.keyring import MasterKeyring
from registry.encryption.sealing import DataKey, Place
from registry.encryption.secret import Secret
from registry.errors import CannotDecrypt

HERE = Place(uuid.UUID(int=1), 3, 0, "full")
FIELDS = {"api_key": Secret("made-up-key"), "secret_key": Secret("made-up-secret")}


@pytest.fixture
def data_key() -> DataKey:
    return DataKey.generate(uuid.UUID(int=9))


def test_a_field_opens_where_it_was_sealed(data_key: DataKey) -> None:
    tokens = data_key.seal(HERE, FIELDS)
    assert data_key.open(HERE, tokens) == FIELDS
    assert "made-up" not in str(tokens)


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(HERE, account_id=uuid.UUID(int=2)),
        replace(HERE, exchange_id=4),
        replace(HERE, exchange_id=30),
        replace(HERE, subaccount_index=1),
        replace(HERE, subaccount_index=None),
        replace(HERE, permission="read_only"),
    ],
    ids=["account", "exchange", "exchange with the same start", "subaccount", "none", "permission"],
)
def test_a_token_that_was_moved_to_another_slot_does_not_open(
    data_key: DataKey, elsewhere: Place
) -> None:
    tokens = data_key.seal(HERE, FIELDS)
    with pytest.raises(CannotDecrypt, match="moved here from another account, exchange or field"):
        data_key.open(elsewhere, tokens)


def test_a_token_that_was_moved_to_another_field_does_not_open(data_key: DataKey) -> None:
    tokens = data_key.seal(HERE, FIELDS)
    with pytest.raises(CannotDecrypt, match="the field secret_key does not open"):
        data_key.open(HERE, {"secret_key": tokens["api_key"]})


def test_a_token_does_not_open_under_the_key_of_another_version(data_key: DataKey) -> None:
    tokens = data_key.seal(HERE, FIELDS)
    with pytest.raises(CannotDecrypt):
        DataKey.generate(uuid.UUID(int=9)).open(HERE, tokens)


@pytest.mark.parametrize("token", ["", "x", "gAAAAA", "ä", "plain text"])
def test_what_is_no_token_is_a_typed_error(data_key: DataKey, token: str) -> None:
    with pytest.raises(CannotDecrypt) as refused:
        data_key.open(HERE, {"api_key": token})
    assert refused.value.hint == "Run: registry.rebuild(check=True)"


def test_a_data_key_travels_wrapped_and_prints_its_id_only(
    data_key: DataKey, keyring: MasterKeyring
) -> None:
    wrapped = keyring.wrap(data_key.id, data_key.key)
    again = DataKey.unwrap(keyring, data_key.id, wrapped, keyring.newest_id)
    assert again == data_key
    assert again.open(HERE, data_key.seal(HERE, FIELDS)) == FIELDS
    assert data_key.key.hex() not in repr(data_key)
    assert repr(data_key) == f"DataKey({data_key.id})"


def test_places_that_could_be_confused_have_different_bytes() -> None:
    places = [
        replace(HERE, subaccount_index=None),
        replace(HERE, exchange_id=30, subaccount_index=None),
        HERE,
        replace(HERE, exchange_id=1, subaccount_index=11),
        replace(HERE, exchange_id=11, subaccount_index=1),
    ]
    assert len({place.info("f") for place in places}) == len(places)


def test_what_a_field_is_bound_to_never_changes() -> None:
    """Another text would make all that is stored unreadable."""
    account = "00000000-0000-0000-0000-000000000001"
    assert HERE.info("api_key").decode() == f"{account}|3|0|full|api_key"
    nowhere = replace(HERE, subaccount_index=None, permission="read_only")
    assert nowhere.info("uid").decode() == f"{account}|3||read_only|uid"


def test_equal_values_have_equal_fingerprints_in_the_same_field_of_the_same_exchange_only() -> None:
    printer = Fingerprinter(b"k" * 32)
    prints = printer.fields(3, FIELDS)
    assert prints == printer.fields(3, dict(FIELDS))
    assert prints != printer.fields(4, FIELDS)
    assert len(set(printer.fields(3, {"a": Secret("x"), "b": Secret("x")}).values())) == 2
    assert prints != Fingerprinter(b"j" * 32).fields(3, FIELDS)
    assert all(len(value) == 16 for value in prints.values())
    assert repr(printer) == "Fingerprinter(***)"


def test_a_value_that_will_be_refused_can_be_fingerprinted() -> None:
    assert Fingerprinter(b"k" * 32).fields(3, {"a": Secret("\ud800")})
