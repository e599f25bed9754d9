"""Writes the page of all exchanges, from the catalog."""

import sys
from pathlib import Path
from typing import Final

from registry.catalog.catalog import built_in_exchanges, has_test_system
from registry.catalog.specification import ExchangeSpec
from registry.checking.probes import PROBES, PUBLIC_READS

CHECKED: Final = {
    "aster": "secp256k1 (EIP-712), of the wallet and of an agent",
    "backpack": "Ed25519",
    "binance": "HMAC, Ed25519 and RSA",
    "bybit": "HMAC",
    "coinbase": "ES256 and Ed25519",
    "grvt": "secp256k1 (EIP-712), of an order",
    "hyperliquid": "secp256k1 (EIP-712), of an order",
    "kraken": "HMAC",
    "lighter": "Schnorr, of its API key",
    "okx": "HMAC",
    "paradex": "Stark",
}
"""Exchange -> the signatures that tests check with other code than ccxt's."""
_HEAD: Final = """\
# Exchanges

`add-credential ACCOUNT EXCHANGE` works at once for each of these. The second table is derived from
ccxt {version}; `scripts/generate-exchanges` writes this page. [Clients](clients.md) tells what each
client needs beyond that.

- The **fields** in parentheses are optional. `environment` is `prod` or `testnet`.
- A private key in PEM may be given as it was copied, and is stored in one form.
- **test**: ccxt knows a test system. Elsewhere a client refuses `environment` `testnet`.
- **nonce**: the exchange counts requests or orders per key, so two bots on one key break each
  other's. ccxt says so where its client makes rising nonces.
- **base64**: the secret key is base64, and is checked as such.
- **signature**: tests check the signature of a real request, with other code than ccxt's. Where
  none is named, tests make the client and check that ccxt has all that it requires.
- **asked**: what `check-credential` learns from the exchange itself. Where nothing is named, one
  signed read shows whether the key is valid. See [Checking credentials](checking-credentials.md).
- Each id of ccxt is an exchange of its own, with variables of its own: `binanceusdm` beside
  `binance`, `myokx` beside `okx`. One account may hold the same key for several.

## With variables that bots have had before

| exchange | fields and their variables | |
| --- | --- | --- |
"""
_MIDDLE: Final = """
## As ccxt says

A field's variable is the exchange's id and the field, in capitals: `api_key` of `binance` is
`BINANCE_API_KEY`. All of them have the optional field `environment`.

| exchange | name | fields | |
| --- | --- | --- | --- |
"""


def page() -> str:
    """The text of `docs/exchanges.md`."""
    version = _version()
    by_hand = [spec for spec in built_in_exchanges().values() if not spec.generated]
    others = [spec for spec in built_in_exchanges().values() if spec.generated]
    first = (f"| {s.name} | {_with_variables(s)} | {_marks(s)} |\n" for s in by_hand)
    second = (
        f"| {s.name} | {s.display_name} | {_names(s)} | {_marks(s)} |\n"
        for s in sorted(others, key=lambda spec: spec.name)
    )
    return "".join((_HEAD.format(version=version), *first, _MIDDLE, *second))


def _version() -> str:
    folder = Path(__file__).resolve().parents[1] / "registry/catalog"
    return (folder / "ccxt.tsv").read_text("utf-8").splitlines()[0].rpartition(" ")[2]


def _with_variables(spec: ExchangeSpec) -> str:
    return ", ".join(
        f"`{field.name}` {field.env}" if field.required else f"(`{field.name}` {field.env})"
        for field in spec.fields.values()
    )


def _names(spec: ExchangeSpec) -> str:
    return ", ".join(f"`{field.name}`" for field in spec.fields.values() if field.required)


def _marks(spec: ExchangeSpec) -> str:
    checked = CHECKED.get(spec.name)
    marks = ["test"] * has_test_system(spec.ccxt_id) + ["nonce"] * spec.nonce_per_key
    marks += [field.kind for field in spec.fields.values() if field.kind == "base64"]
    marks += [f"signature: {checked}"] if checked else []
    return "; ".join([*marks, *_asked(spec.ccxt_id)])


def _asked(ccxt_id: str | None) -> list[str]:
    if ccxt_id is None or ccxt_id in PUBLIC_READS:
        return ["asked: nothing"]
    return [f"asked: {PROBES[ccxt_id].tells}"] if ccxt_id in PROBES else []


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), "utf-8")
    sys.stdout.write(f"Wrote {sys.argv[1]}\n")
