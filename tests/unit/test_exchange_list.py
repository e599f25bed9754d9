"""What the catalog knows of ccxt's exchanges."""

import runpy
from pathlib import Path

import pytest

from registry.catalog.catalog import built_in_exchanges, of_ccxt
from registry.errors import InvalidCredential

PROJECT = Path(__file__).resolve().parents[2]
GENERATED = {name: spec for name, spec in built_in_exchanges().items() if spec.generated}


def test_the_list_says_what_the_installed_ccxt_says() -> None:
    """A line that differs is an exchange that wants other credentials now, or is new or gone."""
    pytest.importorskip("ccxt")
    now = runpy.run_path(str(PROJECT / "scripts/exchange_list.py"))["exchange_list"]()
    listed = (PROJECT / "registry/catalog/ccxt.tsv").read_text("utf-8")
    differing = sorted({*now.splitlines()} ^ {*listed.splitlines()})
    assert differing == [], "run scripts/generate-exchanges, and look at what changed"


def test_there_are_over_a_hundred_exchanges_and_those_written_by_hand_come_first() -> None:
    names = list(built_in_exchanges())
    assert len(names) > 100
    assert len(set(names)) == len(names) == len(built_in_exchanges())
    assert [name in GENERATED for name in names] == sorted(name in GENERATED for name in names)


@pytest.mark.parametrize(
    ("exchange", "fields", "variable"),
    [
        ("binance", ["api_key", "secret_key", "environment"], "BINANCE_SECRET_KEY"),
        ("okx", ["api_key", "secret_key", "passphrase", "environment"], "OKX_PASSPHRASE"),
        ("coinmate", ["api_key", "secret_key", "uid", "environment"], "COINMATE_UID"),
        ("hibachi", ["api_key", "account_id", "private_key", "environment"], "HIBACHI_ACCOUNT_ID"),
        ("nado", ["private_key", "wallet_address", "environment"], "NADO_WALLET_ADDRESS"),
    ],
)
def test_an_exchange_of_ccxt_has_the_fields_that_ccxt_requires(
    exchange: str, fields: list[str], variable: str
) -> None:
    spec = built_in_exchanges()[exchange]
    assert sorted(spec.fields) == sorted(fields)
    assert variable in {field.env for field in spec.fields.values()}


def test_no_variable_is_that_of_two_exchanges() -> None:
    specs = built_in_exchanges().values()
    names = [field.env for spec in specs for field in spec.fields.values()]
    assert len(set(names)) == len(names)


def test_which_exchanges_count_nonces_per_key() -> None:
    counting = {name for name, spec in built_in_exchanges().items() if spec.nonce_per_key}
    assert {"lighter", "hyperliquid", "kraken", "bitfinex", "gemini", "whitebit"} <= counting
    assert not counting & {"binance", "okx", "bybit", "coinbase", "derive"}


def test_an_exchange_that_is_not_there_is_none() -> None:
    assert of_ccxt("nowhere") is None
    assert of_ccxt("# Written by scripts/generate-exchanges from ccxt 4.5.90") is None
    assert "nowhere" not in built_in_exchanges()


@pytest.mark.parametrize("exchange", GENERATED)
def test_a_wrong_value_is_refused_by_its_field(exchange: str) -> None:
    spec = GENERATED[exchange]
    for name, field in spec.fields.items():
        if field.required:
            with pytest.raises(InvalidCredential, match=f"the field {name} of {exchange} is"):
                spec.check_values({name: f"your_{name}_here"})
            with pytest.raises(InvalidCredential, match=f"lacks .*{name}"):
                spec.check({})
