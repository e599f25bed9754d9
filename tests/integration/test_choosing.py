"""Which of several credentials a load gives, and what is not recorded because nobody gets it."""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import pytest
from support.world import World

from registry import errors
from registry.clients import create_client
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.hints import commands_of
from registry.loader import AsyncCredentialLoader, CredentialLoader, EnvironmentFallback


@pytest.fixture
def loader(world: World, database_url: str) -> Iterator[CredentialLoader]:
    """A loader for an account with Lighter 0 and 3, and with one Aster key."""
    world.account("bot", "aster")
    for number in (0, 3):
        world.credential("bot", "lighter", subaccount=number)
    with CredentialLoader(database_url, keyring=world.keyring) as opened:
        yield opened


def releases(world: World) -> list[str]:
    """The exchanges of all releases."""
    return [e["data"]["exchange"] for e in world.history(event_type="CredentialReleased")]


def test_one_load_gives_a_choice_for_each_exchange(
    world: World, loader: CredentialLoader, database_url: str
) -> None:
    choice = {"lighter": 3, "aster": None}
    loaded = loader.load_account_credentials("bot", subaccount=choice)
    assert loaded.problems == {}
    assert loaded["lighter"]["subaccount_index"] == 3
    assert "subaccount_index" not in loaded["aster"]
    some = loader.load_account_credentials("bot", subaccount={"": 0, "aster": None})
    assert some["lighter"]["subaccount_index"] == 0

    async def load() -> None:
        async with AsyncCredentialLoader(database_url, keyring=world.keyring) as other:
            assert await other.load_account_credentials("bot", subaccount=choice) == loaded
            only = await other.load("bot", "lighter", subaccount={"lighter": 3})
            assert only == loaded["lighter"]

    asyncio.run(load())


def test_a_number_is_for_all_exchanges(loader: CredentialLoader) -> None:
    loaded = loader.load_account_credentials("bot", subaccount=3)
    assert list(loaded) == ["lighter"]
    assert loaded.problems["aster"].message == "bot has no credential for aster subaccount 3"
    with pytest.raises(errors.CredentialNotFound, match="for lighter without a subaccount"):
        loader.load("bot", "lighter", subaccount={"lighter": None})


def test_who_must_choose_is_told_how_in_his_own_words(loader: CredentialLoader) -> None:
    with pytest.raises(errors.InvalidInput, match="of the subaccounts 0, 3") as caught:
        loader.load("bot", "lighter")
    hint = caught.value.hint or ""
    assert hint == 'Say which: subaccount={"lighter": 0} or subaccount={"lighter": 3}.'
    shown = "Say which: --subaccount lighter=0 or --subaccount lighter=3."
    assert commands_of(hint) == shown


def test_a_client_is_made_of_the_chosen_credential(world: World, loader: CredentialLoader) -> None:
    with pytest.raises(errors.InvalidInput, match="several credentials for lighter"):
        create_client("bot", "lighter", loader=loader)
    public, *secrets = [base64.b64encode(bytes([number]) * 32).decode() for number in range(3)]
    for number, secret in enumerate(secrets):
        world.credential("bot", "backpack", subaccount=number, public_key=public, secret_key=secret)
    assert create_client("bot", "backpack", subaccount=1, loader=loader).secret == secrets[1]


def test_what_one_load_takes_each_client_of_the_bot_takes_too(
    world: World, loader: CredentialLoader
) -> None:
    choice = {"lighter": 3, "aster": None}
    loaded = loader.load_account_credentials("bot", subaccount=choice)
    assert {name: loader.load("bot", name, subaccount=choice) for name in choice} == loaded
    public, secret = (base64.b64encode(bytes([number]) * 32).decode() for number in range(2))
    world.credential("bot", "backpack", public_key=public, secret_key=secret)
    assert create_client("bot", "backpack", subaccount=choice, loader=loader).secret == secret
    (resolved,) = world.credentials.resolve("bot", "lighter", subaccount=choice)
    assert resolved.reason() == "bot has its own full key of subaccount 3, version 1"


def test_a_choice_for_what_is_no_exchange_chooses_nothing_elsewhere(
    world: World, loader: CredentialLoader
) -> None:
    for choice in ({"ligther": 3}, {"aster": None, "asterr": 1}):
        with pytest.raises(errors.ExchangeNotFound):
            loader.load("bot", "aster", subaccount=choice)
        with pytest.raises(errors.ExchangeNotFound):
            world.credentials.resolve("bot", "aster", subaccount=choice)
    assert releases(world) == []


@pytest.mark.parametrize("exchanges", [None, ["aster"], ["aster", "backpack"]])
def test_a_choice_for_an_exchange_that_is_not_loaded_releases_nothing(
    world: World, loader: CredentialLoader, exchanges: list[str] | None
) -> None:
    with pytest.raises(errors.InvalidInput, match="a subaccount is chosen for paradex") as caught:
        loader.load_account_credentials("bot", exchanges=exchanges, subaccount={"paradex": 1})
    asked = ", ".join(exchanges or ["aster", "lighter"])
    assert caught.value.hint == f"There is a choice for: {asked}."
    assert releases(world) == []


@pytest.mark.parametrize(
    "choice", [-1, 2**31, {"lighter": -1}, {"lighter": True}, {"": "3"}, {3: 3}]
)
def test_a_choice_that_is_no_subaccount_is_refused(
    world: World, loader: CredentialLoader, choice: Any
) -> None:
    with pytest.raises(errors.InvalidInput, match="a subaccount is"):
        loader.load_account_credentials("bot", subaccount=choice)
    assert releases(world) == []


def test_what_is_chosen_by_number_is_not_taken_from_the_environment(
    loader: CredentialLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKPACK_PUBLIC_KEY_BOT", "public")
    monkeypatch.setenv("BACKPACK_SECRET_KEY_BOT", "secret-of-the-environment")
    loader._fallback = EnvironmentFallback()
    exchanges = ["aster", "backpack"]
    chosen = loader.load_account_credentials("bot", exchanges=exchanges, subaccount={"backpack": 2})
    assert list(chosen) == ["aster"]
    both = loader.load_account_credentials("bot", exchanges=exchanges, subaccount={"aster": None})
    assert list(both) == exchanges


# ---------------------------------------------------------------- no release in vain


def test_a_caller_without_the_right_master_key_leaves_no_release_in_the_log(
    world: World, loader: CredentialLoader, database_url: str
) -> None:
    wrong = MasterKeyring([generate_master_key()])
    with CredentialLoader(database_url, keyring=wrong) as other:
        for _ in range(3):
            with pytest.raises(errors.MasterKeyWrong, match=world.keyring.newest_id):
                other.load("bot", "aster")
            with pytest.raises(errors.MasterKeyWrong):
                other.load_account_credentials("bot", exchanges=["aster"])
    with pytest.raises(errors.MasterKeyWrong):
        World(world.database, wrong).credentials.reveal("bot", "aster", "api_key")
    assert releases(world) == []


def test_of_credentials_under_two_master_keys_those_that_open_are_released(
    world: World, loader: CredentialLoader, database_url: str
) -> None:
    newer = MasterKeyring.parse(generate_master_key())
    row = "UPDATE credential_data_keys SET master_key_id = %s WHERE credential_id = %s"
    (aster,) = world.credentials.list("bot", exchange="aster")
    with world.database.connection() as connection:
        connection.execute(row, [newer.newest_id, aster["id"]])
    loaded = loader.load_account_credentials("bot", subaccount={"lighter": 0})
    assert isinstance(loaded.problems["aster"], errors.MasterKeyWrong)
    assert releases(world) == list(loaded) == ["lighter"]


def test_an_error_after_the_release_says_which_event_recorded_it(
    world: World, loader: CredentialLoader
) -> None:
    damaged = "UPDATE credential_data_keys SET wrapped_key = 'damaged'"
    with world.database.connection() as connection:
        connection.execute(damaged)
    with pytest.raises(errors.CannotDecrypt) as caught:
        loader.load("bot", "aster")
    position = world.history()[-1]["position"]
    assert caught.value.message.endswith(f"(its release is recorded: event {position})")
