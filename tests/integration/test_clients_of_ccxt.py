"""Clients of the exchanges that the catalog knows from ccxt alone."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qs, unquote

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.exchange_server import ExchangeServer, Request, serving
from support.trading import Trader

from registry.catalog.catalog import OfCcxt, built_in_exchanges, of_ccxt
from registry.catalog.specification import ExchangeSpec, FieldSpec
from registry.client_making import class_of, make_client
from registry.errors import InvalidInput
from registry.services.releases.releases import ReleasedCredential
from registry.services.releases.resolution import Resolution, Wish

ccxt = pytest.importorskip("ccxt")

NONE: Final = OfCcxt("", "", [], [])
# The others have tests of their signatures (test_clients_signatures.py).
CLIENTS: Final = {
    name: spec for name, spec in built_in_exchanges().items() if spec.generated or name == "dydx"
}
WITH_TEST: Final = [name for name in CLIENTS if "test" in (of_ccxt(name) or NONE).marks]
NO_FIELD: Final = FieldSpec("", "")
VALUES: Final = {"wallet_address": "0x" + "a1" * 20, "private_key": "17" * 32, "uid": "12345"}
KEY: Final = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET: Final = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


def client_of(spec: ExchangeSpec, module: Any = ccxt, **more: str) -> Any:
    """A client with a complete credential of made-up values."""
    required = [field.name for field in spec.fields.values() if field.required]
    given = {name: VALUES.get(name, f"made-up-{name}7") for name in required}
    if spec.fields.get("secret_key", NO_FIELD).kind == "base64":
        given["secret_key"] = base64.b64encode(SECRET.encode()).decode()
    released = ReleasedCredential(
        resolution=Resolution(account="bot", exchange=spec.name, outcome="ok", wish=Wish()),
        release_id=None,  # type: ignore[arg-type]
        position=0,
        fields=spec.check({**given, **more}),
        subaccount_index=None,
    )
    return make_client(class_of(module, spec), spec, released, {}, access="full", sandbox=None)


@pytest.mark.parametrize("exchange", CLIENTS)
def test_a_client_has_all_that_ccxt_requires(exchange: str) -> None:
    client = client_of(CLIENTS[exchange])
    assert client.id == exchange
    assert client.check_required_credentials()


@pytest.mark.slow
def test_a_client_for_asyncio_too() -> None:
    from ccxt import async_support

    async def made() -> str:
        client = client_of(CLIENTS["okx"], async_support)
        try:
            assert client.check_required_credentials()
            return str(client.password)
        finally:
            await client.close()

    assert asyncio.run(made()) == "made-up-passphrase7"


@pytest.mark.parametrize("exchange", WITH_TEST)
def test_the_test_system_is_chosen_by_the_environment(exchange: str) -> None:
    test, real = (client_of(CLIENTS[exchange], environment=said) for said in ("test", "prod"))
    # OKX and WEEX tell the systems apart by a header or by the symbols.
    assert test.options.get("sandboxMode") is True or test.urls["api"] != real.urls["api"]
    assert not real.options.get("sandboxMode")
    assert real.urls["api"] == client_of(CLIENTS[exchange]).urls["api"]


@pytest.mark.parametrize("exchange", [name for name in CLIENTS if name not in WITH_TEST])
def test_a_test_system_that_is_not_there_is_refused_by_name(exchange: str) -> None:
    """ccxt would send the key of Binance US to the test system of Binance, for example."""
    with pytest.raises(InvalidInput, match=f"ccxt knows no test system of {exchange}$"):
        client_of(CLIENTS[exchange], environment="testnet")


def test_which_test_systems_are_those_of_others() -> None:
    assert {"binance", "binanceusdm", "bybit", "okx", "kucoin"} & {*WITH_TEST} == {
        *("binance", "binanceusdm", "bybit", "okx")
    }
    assert not {"binanceus", "bequant", "fmfwio", "gateeu"} & {*WITH_TEST}


# ---------------------------------------------------------------- signatures


@contextmanager
def answering(exchange: str, answer: Any) -> Iterator[ExchangeServer]:
    with serving(exchange, lambda _: answer) as server:
        server.trading = True
        yield server


def sent_by(
    trader: Trader, exchange: str, method: str, answer: Any, **fields: str
) -> tuple[Request, str]:
    """The request of one private call, made as a bot makes it, and the server's address."""
    values: dict[str, Any] = dict(fields)
    trader.world.credential("main_bot", exchange, **values)
    with answering(exchange, answer) as server:
        client = trader.client(exchange, config=server.config())
        getattr(client, method)({"extra": "1"})
        return server.requests[-1], server.address


def pem(key: Any) -> str:
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return str(key.private_bytes(*form).decode())


def hmac_of(text: str | bytes, key: str | bytes, algorithm: str = "sha256") -> bytes:
    raw, secret = (part.encode() if isinstance(part, str) else part for part in (text, key))
    return hmac.new(secret, raw, algorithm).digest()


def test_binance_gets_an_hmac(trader: Trader) -> None:
    """The key, the secret and the algorithm are those of Binance's own example."""
    example = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
    example += "&recvWindow=5000&timestamp=1499827319559"
    assert hmac_of(example, SECRET).hex() == (
        "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    )
    fields = {"api_key": KEY, "secret_key": SECRET}
    request, _ = sent_by(trader, "binance", "private_get_account", {}, **fields)
    text, _, signature = request.raw_query.partition("&signature=")
    assert signature == hmac_of(text, SECRET).hex()
    assert {n.lower(): v for n, v in request.headers.items()}["x-mbx-apikey"] == KEY


@pytest.mark.parametrize("copied", [str, lambda text: text.replace("\n", "\\n")])
def test_binance_gets_a_signature_of_a_key_in_pem(trader: Trader, copied: Any) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    fields = {"api_key": KEY, "secret_key": copied(pem(key))}
    request, _ = sent_by(trader, "binance", "private_get_account", {}, **fields)
    text, _, signature = request.raw_query.partition("&signature=")
    key.public_key().verify(base64.b64decode(unquote(signature)), text.encode())


def test_binance_gets_a_signature_of_an_rsa_key(trader: Trader) -> None:
    key = rsa.generate_private_key(65537, 2048)
    fields = {"api_key": KEY, "secret_key": pem(key).replace("\n", "\r\n")}
    request, _ = sent_by(trader, "binance", "private_get_account", {}, **fields)
    text, _, signature = request.raw_query.partition("&signature=")
    public, form = key.public_key(), padding.PKCS1v15()
    public.verify(base64.b64decode(unquote(signature)), text.encode(), form, hashes.SHA256())


def test_bybit_gets_an_hmac_of_time_key_and_query(trader: Trader) -> None:
    fields = {"api_key": "bybit-key7", "secret_key": "bybit-secret7"}
    answer = {"retCode": 0, "result": {}}
    request, _ = sent_by(trader, "bybit", "private_get_v5_account_wallet_balance", answer, **fields)
    headers = {name.lower(): value for name, value in request.headers.items()}
    moment, window = headers["x-bapi-timestamp"], headers["x-bapi-recv-window"]
    text = f"{moment}bybit-key7{window}{request.raw_query}"
    assert headers["x-bapi-sign"] == hmac_of(text, "bybit-secret7").hex()


def test_okx_gets_an_hmac_of_time_and_path_and_the_passphrase(trader: Trader) -> None:
    fields = {"api_key": "okx-key7", "secret_key": "okx-secret7", "passphrase": "okx words 7"}
    answer = {"code": "0", "data": []}
    request, _ = sent_by(trader, "okx", "private_get_account_balance", answer, **fields)
    headers = {name.lower(): value for name, value in request.headers.items()}
    text = f"{headers['ok-access-timestamp']}GET{request.path}?{request.raw_query}"
    signature = base64.b64encode(hmac_of(text, "okx-secret7")).decode()
    assert headers["ok-access-sign"] == signature
    assert headers["ok-access-passphrase"] == "okx words 7"


def test_kraken_gets_an_hmac_of_path_nonce_and_body(trader: Trader) -> None:
    secret = base64.b64encode(bytes(range(64))).decode()
    fields = {"api_key": "kraken-key7", "secret_key": secret}
    answer: dict[str, Any] = {"error": [], "result": {}}
    request, _ = sent_by(trader, "kraken", "private_post_balance", answer, **fields)
    (nonce,) = parse_qs(request.body)["nonce"]
    digest = hashlib.sha256((nonce + request.body).encode()).digest()
    expected = hmac_of(request.path.encode() + digest, bytes(range(64)), "sha512")
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["api-sign"] == base64.b64encode(expected).decode()


def token_of(request: Request) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """A JWT's header, claims, signed text, and signature (RFC 7515)."""
    token = request.headers["Authorization"].removeprefix("Bearer ")
    signed, _, signature = token.rpartition(".")
    header, claims = (json.loads(decoded(part)) for part in signed.split("."))
    return header, claims, signed.encode(), decoded(signature)


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


NAME: Final = "organizations/3b910e93-0000-4000-8000-000000000000/apiKeys/7f0d2c1e"


@pytest.mark.parametrize("copied", [str, lambda text: text.replace("\n", "\\n")])
def test_coinbase_gets_a_token_that_its_ec_key_signed(trader: Trader, copied: Any) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    fields = {"api_key": NAME, "secret_key": copied(pem(key))}
    method = "v3_private_get_brokerage_accounts"
    request, address = sent_by(trader, "coinbase", method, {}, **fields)
    header, claims, signed, signature = token_of(request)
    assert (header["alg"], header["kid"], claims["sub"]) == ("ES256", NAME, NAME)
    assert claims["uri"] == f"GET {address}{request.path}"
    r, s = (int.from_bytes(half) for half in (signature[:32], signature[32:]))
    key.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))


def test_coinbase_gets_a_token_that_its_ed25519_key_signed(trader: Trader) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    name = "7f0d2c1e-0000-4000-8000-000000000000"
    fields = {"api_key": name, "secret_key": base64.b64encode(raw).decode()}
    method = "v3_private_get_brokerage_accounts"
    request, _ = sent_by(trader, "coinbase", method, {}, **fields)
    header, claims, signed, signature = token_of(request)
    assert (header["alg"], header["kid"], claims["sub"]) == ("EdDSA", name, name)
    key.public_key().verify(signature, signed)
