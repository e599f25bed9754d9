"""What the catalog knows of ccxt's exchanges."""

import re
import runpy
from pathlib import Path

import pytest

from registry.catalog.catalog import built_in_exchanges, of_ccxt
from registry.errors import InvalidCredential

PROJECT = Path(__file__).resolve().parents[2]
LISTED = (PROJECT / "registry/catalog/ccxt.tsv").read_text("utf-8")
GENERATED = {name: spec for name, spec in built_in_exchanges().items() if spec.generated}


def test_the_list_says_what_the_installed_ccxt_says() -> None:
    pytest.importorskip("ccxt")
    script = runpy.run_path(str(PROJECT / "scripts/exchange_list.py"))
    changed = "\n".join(script["changes"](LISTED, script["exchange_list"]()))
    assert not changed, f"ccxt has changed; run scripts/generate-exchanges:\n{changed}"


def test_what_a_newer_ccxt_changes_is_said_in_words() -> None:
    pytest.importorskip("ccxt")
    kraken, luno = (next(x for x in LISTED.splitlines() if x.startswith(n)) for n in ("kra", "lun"))
    newer = LISTED.replace("from ccxt 4", "from ccxt 5").replace(f"{luno}\n", "")
    newer = newer.replace(kraken, kraken.replace("apiKey secret", "apiKey secret twofa"))
    newer += "novel\tNovel\tapiKey\t-\n"
    said = list(runpy.run_path(str(PROJECT / "scripts/exchange_list.py"))["changes"](LISTED, newer))
    assert said[0].startswith("# Written by scripts/generate-exchanges from ccxt 5")
    assert said[1:] == [
        "kraken was Kraken, requires apiKey secret, marks nonce base64; "
        "it is Kraken, requires apiKey secret twofa, marks nonce base64",
        "luno is no exchange of ccxt any more",
        "novel is new: Novel, requires apiKey, marks -",
    ]


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


def test_the_page_names_the_exchanges_whose_signatures_are_checked() -> None:
    checked = runpy.run_path(str(PROJECT / "scripts/exchange_reference.py"))["CHECKED"]
    tests = (PROJECT / "tests/integration").glob("test_clients_*.py")
    signatures = [text for text in (path.read_text("utf-8") for path in tests) if "verify" in text]
    used = re.compile(r'(?:sent_by\(trader, |trading_at\()"(\w+)"')
    assert {name for text in signatures for name in used.findall(text)} == {*checked}


def test_the_page_of_exchanges_is_that_of_the_catalog() -> None:
    page = runpy.run_path(str(PROJECT / "scripts/exchange_reference.py"))["page"]()
    written = (PROJECT / "docs/exchanges.md").read_text("utf-8")
    assert page == written, "run scripts/generate-exchanges"
