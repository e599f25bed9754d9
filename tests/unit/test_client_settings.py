"""The places of a credential's fields in ccxt's client, and the caller's additions."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from support.exchange_answers import CREDENTIALS as KEYS

from registry.catalog.catalog import built_in_exchanges, from_definition
from registry.catalog.client_settings import (
    CREDENTIALS,
    QUIET,
    client_settings,
    credential_settings,
    is_test_system,
)
from registry.catalog.kinds import FORMS
from registry.catalog.specification import ExchangeSpec
from registry.client_making import _HOOKS
from registry.errors import InvalidCredential, InvalidInput

EXCHANGES = {name: spec for name, spec in built_in_exchanges().items() if not spec.generated}
WITH_CLIENTS = {name: spec for name, spec in EXCHANGES.items() if spec.ccxt_id}


def own(*names: str, **ccxt: str) -> ExchangeSpec:
    """An exchange of one's own."""
    fields = [{"name": name, "env": name.upper(), "ccxt": ccxt.get(name)} for name in names]
    data = {"exchange": "own", "display_name": "Own", "fields": fields, "ccxt_id": "kraken"}
    return from_definition(data)


# ---------------------------------------------------------------- the catalog's own rules


@pytest.mark.parametrize("spec", WITH_CLIENTS.values(), ids=WITH_CLIENTS)
def test_what_the_catalog_says_of_clients_names_things_that_exist(spec: ExchangeSpec) -> None:
    ccxt = pytest.importorskip("ccxt")
    assert spec.ccxt_id in ccxt.exchanges
    assert spec.client.needs
    assert set(spec.client.needs) <= set(spec.fields)
    assert all(spec.fields[name].ccxt for name in spec.client.needs)
    assert spec.client.hook in {None, *_HOOKS}


def test_every_exchange_without_a_client_says_nothing_of_one() -> None:
    others = [spec for name, spec in EXCHANGES.items() if name not in WITH_CLIENTS]
    assert [spec.name for spec in others] == ["edgex"]
    assert not [f.name for spec in others for f in spec.fields.values() if f.ccxt or f.form]


def test_every_function_for_what_data_cannot_say_is_used_by_one_exchange() -> None:
    assert sorted(spec.client.hook for spec in EXCHANGES.values() if spec.client.hook) == sorted(
        _HOOKS
    )


@pytest.mark.parametrize("spec", EXCHANGES.values(), ids=EXCHANGES)
def test_what_the_catalog_says_of_fields_names_things_that_exist(spec: ExchangeSpec) -> None:
    for field in spec.fields.values():
        assert field.form in {None, *FORMS}
        assert {*field.instead_of, field.only_with or field.name} <= set(spec.fields)
        path = field.ccxt or "options.none"
        assert set(re.findall(r"\{(\w+)\}", path)) <= set(spec.client.needs)
        assert path in CREDENTIALS or path.startswith("options.")


def test_every_credential_of_ccxt_s_clients_is_known() -> None:
    ccxt = pytest.importorskip("ccxt")
    assert set(CREDENTIALS) == set(ccxt.Exchange().requiredCredentials)


def test_which_clients_of_ccxt_speak_of_builders_and_referrers_is_known() -> None:
    """Another one would have to be looked at: does the option keep it quiet, too?"""
    ccxt = pytest.importorskip("ccxt")
    sign = re.compile(r"builder_?fee|approve_?builder|set_?referrer", re.IGNORECASE)
    sources = {
        exchange: Path(inspect.getfile(getattr(ccxt, exchange))) for exchange in ccxt.exchanges
    }
    found = [one for one, source in sources.items() if sign.search(source.read_text("utf-8"))]
    assert found == ["aster", "extended", "grvt", "hyperliquid", "lighter", "nado", "pacifica"]
    assert all(getattr(ccxt, name)().options["builderFee"] is True for name in found)


# ---------------------------------------------------------------- settings


def test_fields_go_where_the_catalog_says_numbers_as_numbers() -> None:
    assert credential_settings(EXCHANGES["lighter"], KEYS["lighter"]) == {
        "options.auths.77.5.lighterPrivateKey": "0b" * 40,
        "options.accountIndex": 77,
        "options.apiKeyIndex": 5,
    }


def test_fields_of_an_exchange_of_ones_own_go_by_their_names_or_by_what_was_said() -> None:
    spec = own("api_key", "secret_key", "passphrase", "wallet_address", "note", "x", x="options.y")
    values = dict.fromkeys(spec.fields, "value")
    assert list(credential_settings(spec, values)) == [
        "apiKey",
        "secret",
        "password",
        "walletAddress",
        "options.y",
    ]


def test_the_caller_s_settings_lie_between_ours() -> None:
    config = {
        "options": {"builderFee": True, "defaultType": "spot", "paradexAccount": {"publicKey": 1}}
    }
    made = client_settings(EXCHANGES["paradex"], KEYS["paradex"], config, reading=False)
    assert made["options"] == {
        "builderFee": True,
        "refSet": True,
        "defaultType": "spot",
        "paradexAccount": {
            "publicKey": 1,
            "privateKey": KEYS["paradex"]["l2_private_key_hex"],
            "address": KEYS["paradex"]["l2_address"],
        },
    }
    assert not any(made["requiredCredentials"].values())
    assert config["options"]["paradexAccount"] == {"publicKey": 1}


def test_what_ccxt_asks_for_stays_where_the_catalog_does_not_know_it() -> None:
    made = client_settings(own("api_key"), {"api_key": "a"}, {"password": "p"}, reading=True)
    assert made == {
        "enableRateLimit": True,
        "options": {path.split(".")[1]: value for path, value in QUIET.items()},
        "password": "p",
        "apiKey": "a",
    }


@pytest.mark.parametrize("config", [{"apiKey": "b"}, {"api_key": "b"}, {"apiKey": None}])
def test_a_credential_of_an_exchange_of_ones_own_is_not_replaced(config: Any) -> None:
    with pytest.raises(InvalidInput, match="config may not set apiKey"):
        client_settings(own("api_key"), {"api_key": "a"}, config, reading=False)


@pytest.mark.parametrize(
    ("said", "test"),
    [(None, False), ("prod", False), ("MAINNET", False), ("testnet", True), ("Sandbox", True)],
)
def test_a_name_of_a_system_means_one(said: str | None, test: bool) -> None:
    assert is_test_system(EXCHANGES["grvt"], said) is test


@pytest.mark.parametrize("said", ["", " ", "staging", "prod ", "no", "pro"])
def test_no_other_name_means_any(said: str) -> None:
    with pytest.raises(InvalidCredential, match="names no system that is known"):
        is_test_system(EXCHANGES["grvt"], said)
