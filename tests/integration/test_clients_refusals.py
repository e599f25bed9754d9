"""Unusable credentials are reported when a client is created, not at its first call."""

import importlib.metadata
from typing import Any

import pytest
from support.exchange_answers import CREDENTIALS
from support.trading import Trader, trading_at

from registry import errors
from registry.client_making import _LIGHTER_LIBRARY

pytest.importorskip("ccxt")


def test_paradex_needs_the_l2_address(trader: Trader) -> None:
    trader.holds("paradex", l2_address=None)
    with pytest.raises(errors.InvalidCredential, match="paradex needs l2_address") as refused:
        trader.client("paradex")
    assert 'credentials.replace("main_bot", "paradex"' in (refused.value.hint or "")


def test_the_credential_to_replace_is_named_with_its_place(trader: Trader) -> None:
    values = {n: v for n, v in CREDENTIALS["paradex"].items() if n != "l2_address"}
    trader.world.credential("main_bot", "paradex", subaccount=3, permission="read_only", **values)
    with pytest.raises(errors.InvalidCredential) as refused:
        trader.client("paradex", access="read_only")
    assert (refused.value.hint or "").endswith('"paradex", subaccount=3, permission="read_only")')


def test_a_pair_of_aster_makes_no_client_and_the_error_says_what_would(trader: Trader) -> None:
    trader.world.credential("main_bot", "aster")
    with pytest.raises(errors.InvalidCredential, match=r"needs private_key.*takes no pair of"):
        trader.client("aster")


def test_who_borrows_is_told_whose_credential_lacks_something(trader: Trader) -> None:
    trader.holds("paradex", l2_address=None)
    trader.world.account("borrower")
    trader.world.share("borrower", "main_bot", "paradex")
    with pytest.raises(errors.InvalidCredential, match="the credential of main_bot"):
        trader.client("paradex", account="borrower")


@pytest.mark.parametrize(
    ("exchange", "field", "value"),
    [
        ("grvt", "private_key", "grvt-private-key"),
        ("lighter", "private_key", "17" * 32),
        ("backpack", "secret_key", "A" * 43),
    ],
)
def test_a_value_with_which_no_client_works_is_named_and_not_shown(
    trader: Trader, exchange: str, field: str, value: str
) -> None:
    changed: dict[str, Any] = {field: value}
    trader.holds(exchange, **changed)
    with pytest.raises(errors.InvalidCredential, match=f"the field {field} of {exchange}") as no:
        trader.client(exchange)
    assert value not in f"{no.value.message} {no.value.hint}"


# ---------------------------------------------------------------- which system


@pytest.mark.parametrize("said", ["prod", "PROD", "Production", "mainnet", "live", None])
@pytest.mark.parametrize("exchange", ["paradex", "grvt"])
def test_every_name_of_the_real_system_means_it(
    trader: Trader, exchange: str, said: str | None
) -> None:
    trader.holds(exchange, environment=said)
    assert "testnet" not in str(trader.client(exchange).urls["api"])


@pytest.mark.parametrize("said", ["testnet", "TESTNET", "test", "Sandbox"])
@pytest.mark.parametrize("exchange", ["paradex", "grvt"])
def test_every_name_of_the_test_system_means_it(trader: Trader, exchange: str, said: str) -> None:
    trader.holds(exchange, environment=said)
    assert "testnet" in str(trader.client(exchange).urls["api"])
    assert "testnet" not in str(trader.client(exchange, sandbox=False).urls["api"])


@pytest.mark.parametrize("said", ["main", "staging", "dev", "prod2", "nightly", "true"])
@pytest.mark.parametrize("exchange", ["paradex", "grvt"])
def test_any_other_name_is_not_stored(trader: Trader, exchange: str, said: str) -> None:
    with pytest.raises(errors.InvalidCredential, match=f"environment of {exchange}") as refused:
        trader.holds(exchange, environment=said)
    assert "mainnet" in refused.value.message
    assert f" {said}," not in refused.value.message


def test_an_exchange_of_ones_own_has_the_same_names(trader: Trader) -> None:
    fields = [
        {"name": "api_key", "env": "HITBTC_KEY"},
        {"name": "secret_key", "env": "HITBTC_SECRET"},
        {"name": "environment", "env": "HITBTC_ENVIRONMENT"},
    ]
    trader.world.exchanges.add("hitbtc", fields, ccxt="hitbtc")
    trader.world.credential(
        *("main_bot", "hitbtc"),
        api_key="hitbtc-key",
        secret_key="hitbtc-secret",
        environment="Mainnet",
    )
    client = trader.client("hitbtc")
    assert (client.apiKey, client.secret) == ("hitbtc-key", "hitbtc-secret")
    assert client.urls["api"]["private"] == "https://api.hitbtc.com/api/3"


# ---------------------------------------------------------------- Lighter


@pytest.mark.parametrize("index", ["0", "3"])
def test_an_api_key_of_lighter_that_ccxt_would_replace_is_refused(
    trader: Trader, index: str
) -> None:
    trader.holds("lighter", api_key_index=index)
    with pytest.raises(errors.InvalidCredential, match="API keys 4 to 254 only"):
        trader.client("lighter")


@pytest.mark.parametrize("index", [4, 254])
def test_an_api_key_of_lighter_is_the_one_that_is_used(trader: Trader, index: int) -> None:
    trader.holds("lighter", api_key_index=str(index))
    with trading_at("lighter") as server:
        client = trader.client("lighter", config=server.config())
        client.fetch_open_orders("BTC/USDC:USDC")
        assert client.options["apiKeyIndex"] == index
        assert f":77:{index}:" in server.requests[-1].headers["Authorization"]


def test_without_its_library_lighter_gives_positions_only(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(name)

    trader.holds("lighter")
    trader.holds("lighter", "read_only")
    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    for access in ("full", "read_only"):
        with pytest.raises(errors.MissingExtra, match="signing library") as refused:
            trader.client("lighter", access=access)
        assert f"pip install --no-deps {_LIGHTER_LIBRARY}" in (refused.value.hint or "")
    assert trader.client("lighter", access="positions_only").id == "lighter"


def test_the_library_that_is_tried_here_is_the_one_that_users_are_told_of() -> None:
    name, _, version = _LIGHTER_LIBRARY.partition("==")
    assert importlib.metadata.version(name) == version


def test_a_library_of_lighter_that_does_not_load_is_said(trader: Trader) -> None:
    trader.holds("lighter")
    config = {"options": {"libraryPath": "/nowhere/lighter.so"}}
    with pytest.raises(errors.InvalidInput, match="signing library") as refused:
        trader.client("lighter", config=config)
    assert CREDENTIALS["lighter"]["private_key"] not in str(refused.value)


# ---------------------------------------------------------------- what the caller adds


def test_options_of_the_caller_are_added_to_ours(trader: Trader) -> None:
    trader.holds("grvt")
    config = {"options": {"expirationSeconds": 5}, "timeout": 1234, "enableRateLimit": False}
    client = trader.client("grvt", config=config)
    assert (client.timeout, client.enableRateLimit) == (1234, False)
    wanted = {"expirationSeconds": 5, "accountId": "8765432109", "builderFee": False}
    assert {name: client.options[name] for name in wanted} == wanted
    assert config == {
        "options": {"expirationSeconds": 5},
        "timeout": 1234,
        "enableRateLimit": False,
    }


@pytest.mark.parametrize(
    ("exchange", "config"),
    [
        ("grvt", {"options": {"accountId": "1"}}),
        ("grvt", {"options": None}),
        ("grvt", {"secret": "another"}),
        ("hyperliquid", {"walletAddress": "0x" + "0b" * 20}),
        ("hyperliquid", {"private_key": "0x" + "0b" * 32}),
        ("lighter", {"options": {"accountIndex": 1}}),
        ("lighter", {"options": {"auths": {"77": {"5": {"lighterPrivateKey": "0a" * 40}}}}}),
        ("lighter", {"privateKey": "0x" + "0b" * 32}),
        ("paradex", {"options": {"paradexAccount": {"address": "0x1"}}}),
        ("paradex", {"options": {"paradexAccount": "0x1"}}),
        ("backpack", {"api_key": "another"}),
    ],
)
def test_what_the_credential_gives_cannot_be_set_by_the_caller(
    trader: Trader, exchange: str, config: dict[str, Any]
) -> None:
    trader.holds(exchange)
    with pytest.raises(errors.InvalidInput, match=r"config may not set .* credential gives it"):
        trader.client(exchange, config=config)


# ---------------------------------------------------------------- exchanges of one's own


def test_fields_that_ccxt_s_client_lacks_are_named_with_names_that_it_knows(
    trader: Trader,
) -> None:
    fields: list[dict[str, Any]] = [
        {"name": "key", "env": "OKX_KEY", "ccxt": "apiKey", "required": False},
        {"name": "api_secret", "env": "OKX_SECRET"},
        {"name": "passphrase", "env": "OKX_PASS", "required": False},
    ]
    trader.world.exchanges.add("okx", fields, ccxt="okx")
    trader.world.credential("main_bot", "okx", api_secret="okx-secret")
    with pytest.raises(errors.InvalidCredential, match="needs apiKey, password,") as refused:
        trader.client("okx")
    assert "api_key, secret_key, passphrase" in (refused.value.hint or "")
    client = trader.client("okx", config={"apiKey": "okx-key", "password": "okx-password"})
    assert (client.secret, client.password) == ("okx-secret", "okx-password")


def test_another_name_for_hyperliquid_is_as_quiet(trader: Trader) -> None:
    fields: list[dict[str, Any]] = [
        {"name": "wallet_address", "env": "HL2_WALLET", "secret": False},
        {"name": "private_key", "env": "HL2_KEY"},
    ]
    trader.world.exchanges.add("hl2", fields, ccxt="hyperliquid")
    trader.world.credential("main_bot", "hl2", **CREDENTIALS["hyperliquid"])
    with trading_at("hyperliquid") as server:
        trader.client("hl2", config=server.config()).load_markets()
        assert server.changes == []
