"""The signatures of clients are right for the exchange's key, checked without ccxt's code."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from support import lighter, stark
from support.ethereum import Types, address_of_private, keccak256, signer_of, typed_digest
from support.exchange_answers import CREDENTIALS, PARADEX_CHAIN, SYMBOLS, WALLET, WALLET_KEY
from support.exchange_server import Request
from support.trading import Trader, trading_at

pytest.importorskip("ccxt")

AGENT_KEY = "0x" + "17" * 32
VAULT = "0x" + "e5" * 20
ZERO = "0x" + "00" * 20


def last_of(requests: list[Request], path: str) -> Request:
    return [request for request in requests if request.path == path][-1]


def test_the_checkers_know_published_examples() -> None:
    """StarkWare's test of Pedersen's hash, and the mail of EIP-712 itself."""
    assert stark.pedersen(
        0x3D937C035C878245CAF64531A5756109C53068DA139362728FEB561405371CB,
        0x208A0A10250E382E1E4BBE2880906C2791BF6275695E02FBBC6AEFF9CD8B31A,
    ) == int("30e480bed5fe53fa909cc0f8c4d99b8f9f2c016be4c41e13a4848797979c662", 16)
    person = [("name", "string"), ("wallet", "address")]
    types = {
        "Mail": [("from", "Person"), ("to", "Person"), ("contents", "string")],
        "Person": person,
    }
    mail = {
        "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
        "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
        "contents": "Hello, Bob!",
    }
    domain = {
        "name": "Ether Mail",
        "version": "1",
        "chainId": 1,
        "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
    }
    digest = typed_digest(domain, types, "Mail", mail)
    assert digest.hex() == "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    assert address_of_private(WALLET_KEY) == WALLET


# ---------------------------------------------------------------- Hyperliquid

AGENT: Types = {"Agent": [("source", "string"), ("connectionId", "bytes32")]}


def packed(value: Any) -> bytes:
    """MessagePack, as far as an order needs it."""
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return bytes([value]) if value < 128 else b"\xcc" + bytes([value])
    if isinstance(value, str):
        text = value.encode()
        short = bytes([0xA0 + len(text)])
        return (short if len(text) < 32 else b"\xd9" + bytes([len(text)])) + text
    if isinstance(value, list):
        return bytes([0x90 + len(value)]) + b"".join(map(packed, value))
    pairs = b"".join(packed(key) + packed(inner) for key, inner in value.items())
    return bytes([0x80 + len(value)]) + pairs


def hyperliquid_signer(sent: Mapping[str, Any], source: str) -> str:
    vault = sent.get("vaultAddress")
    which = b"\x01" + bytes.fromhex(vault.removeprefix("0x")) if vault else b"\x00"
    digest = keccak256(packed(sent["action"]) + sent["nonce"].to_bytes(8, "big") + which)
    domain = {"name": "Exchange", "version": "1", "chainId": 1337, "verifyingContract": ZERO}
    message = {"source": source, "connectionId": digest}
    return signer_of(typed_digest(domain, AGENT, "Agent", message), **sent["signature"])


@pytest.mark.parametrize("vault", [None, VAULT])
def test_an_order_on_hyperliquid(trader: Trader, vault: str | None) -> None:
    trader.holds("hyperliquid", vault_address=vault)
    with trading_at("hyperliquid", takes_orders=True) as server:
        client = trader.client("hyperliquid", config=server.config())
        client.create_order(SYMBOLS["hyperliquid"], "limit", "buy", 0.01, 100000)
        client.fetch_positions()
        (change,) = server.changes
        sent = change.json()
        assert (sent["action"]["type"], "builder" in sent["action"]) == ("order", False)
        assert sent.get("vaultAddress") == (vault and vault.removeprefix("0x"))
        assert hyperliquid_signer(sent, "a") == WALLET
        reads = [request.json() for request in server.requests if request.path == "/info"]
        (positions,) = [read for read in reads if read["type"] == "clearinghouseState"]
        assert positions["user"] == (vault or WALLET)


def test_an_order_on_the_test_system_of_hyperliquid_is_signed_for_it(trader: Trader) -> None:
    trader.holds("hyperliquid")
    with trading_at("hyperliquid", takes_orders=True) as server:
        config = server.config()
        config["urls"]["test"] = config["urls"]["api"]
        client = trader.client("hyperliquid", sandbox=True, config=config)
        client.create_order(SYMBOLS["hyperliquid"], "limit", "buy", 0.01, 100000)
        assert hyperliquid_signer(server.changes[0].json(), "b") == WALLET


# ---------------------------------------------------------------- GRVT

GRVT_ORDER: Types = {
    "Order": [
        ("subAccountID", "uint64"),
        ("isMarket", "bool"),
        ("timeInForce", "uint8"),
        ("postOnly", "bool"),
        ("reduceOnly", "bool"),
        ("legs", "OrderLeg[]"),
        ("nonce", "uint32"),
        ("expiration", "int64"),
    ],
    "OrderLeg": [
        ("assetID", "uint256"),
        ("contractSize", "uint64"),
        ("limitPrice", "uint64"),
        ("isBuyingContract", "bool"),
    ],
}


@pytest.mark.parametrize(("environment", "chain"), [("prod", 325), ("testnet", 326)])
def test_an_order_on_grvt_is_signed_by_the_api_key_s_signer(
    trader: Trader, environment: str, chain: int
) -> None:
    trader.holds("grvt", environment=environment)
    with trading_at("grvt", takes_orders=True) as server:
        config = server.config()
        config["urls"]["test"] = config["urls"]["api"]
        client = trader.client("grvt", config=config)
        client.create_order(SYMBOLS["grvt"], "limit", "buy", 0.01, 100000)
        login = last_of(server.requests, "/auth/api_key/login")
        assert login.json() == {"api_key": CREDENTIALS["grvt"]["api_key"]}
        (change,) = [change for change in server.changes if change.path == "/full/v1/create_order"]
        order = change.json()["order"]
    (leg,) = order["legs"]
    message = {
        "subAccountID": int(CREDENTIALS["grvt"]["trading_account_id"]),
        "isMarket": False,
        "timeInForce": 1,
        "postOnly": False,
        "reduceOnly": False,
        "legs": [
            {
                "assetID": 0x030501,
                "contractSize": int(float(leg["size"]) * 10**9),
                "limitPrice": int(float(leg["limit_price"]) * 10**9),
                "isBuyingContract": leg["is_buying_asset"],
            }
        ],
        "nonce": order["signature"]["nonce"],
        "expiration": int(order["signature"]["expiration"]),
    }
    domain = {"name": "GRVT Exchange", "version": "0", "chainId": chain}
    digest = typed_digest(domain, GRVT_ORDER, "Order", message)
    parts = {name: order["signature"][name] for name in "rsv"}
    assert signer_of(digest, **parts) == order["signature"]["signer"] == WALLET
    assert "builder" not in order
    assert change.headers["Cookie"] == "gravity=grvt-session"


# ---------------------------------------------------------------- Aster


@pytest.mark.parametrize("agent", [False, True])
def test_a_call_to_aster_is_signed_by_the_wallet_or_by_its_agent(
    trader: Trader, agent: bool
) -> None:
    fields: dict[str, Any] = {"private_key": AGENT_KEY, "user_address": WALLET} if agent else {}
    trader.holds("aster", **fields)
    with trading_at("aster") as server:
        client = trader.client("aster", config=server.config())
        assert client.fetch_balance({"type": "swap"})["USDT"]["total"] == 120.0
        sent = last_of(server.requests, "/fapi/v3/balance")
    signer = address_of_private(AGENT_KEY) if agent else WALLET
    assert (sent.query["user"], sent.query["signer"]) == (WALLET, signer)
    text, _, signature = sent.raw_query.partition("&signature=0x")
    domain = {"name": "AsterSignTransaction", "version": "1", "chainId": 1666}
    domain["verifyingContract"] = ZERO
    digest = typed_digest(domain, {"Message": [("msg", "string")]}, "Message", {"msg": text})
    r, s, v = signature[:64], signature[64:128], int(signature[128:], 16)
    assert signer_of(digest, r, s, v) == signer


# ---------------------------------------------------------------- Backpack


def test_a_call_to_backpack_is_signed_by_its_key(trader: Trader) -> None:
    trader.holds("backpack")
    with trading_at("backpack") as server:
        client = trader.client("backpack", config=server.config())
        assert client.fetch_balance()["USDC"]["free"] == 120.0
        headers = last_of(server.requests, "/api/v1/capital").headers
    moment, window = headers["X-Timestamp"], headers["X-Window"]
    text = f"instruction=balanceQuery&timestamp={moment}&window={window}"
    public_key = base64.b64decode(CREDENTIALS["backpack"]["public_key"])
    key = Ed25519PublicKey.from_public_bytes(public_key)
    key.verify(base64.b64decode(headers["X-Signature"]), text.encode())


# ---------------------------------------------------------------- Paradex


def test_a_login_at_paradex_is_signed_by_the_l2_key_for_the_l2_address(trader: Trader) -> None:
    trader.holds("paradex")
    with trading_at("paradex") as server:
        client = trader.client("paradex", config=server.config())
        assert client.fetch_balance()["USDC"]["total"] == 120.0
        headers = last_of(server.requests, "/v1/auth").headers
        balance = last_of(server.requests, "/v1/balance").headers
    fields = CREDENTIALS["paradex"]
    assert headers["PARADEX-STARKNET-ACCOUNT"] == fields["l2_address"]
    message = {
        "method": stark.felt("POST"),
        "path": stark.felt("/v1/auth"),
        "body": 0,
        "timestamp": int(headers["PARADEX-TIMESTAMP"]),
        "expiration": int(headers["PARADEX-SIGNATURE-EXPIRATION"]),
    }
    chain = stark.felt(PARADEX_CHAIN)
    domain = {"name": stark.felt("Paradex"), "chainId": chain, "version": 1}
    hashed = stark.typed_hash(domain, "Request", message, int(fields["l2_address"], 16))
    signature = headers["PARADEX-STARKNET-SIGNATURE"].strip("[]").replace('"', "").split(",")
    r, s = (int(part, 16) for part in signature)
    key = stark.public_key(int(fields["l2_private_key_hex"], 16))
    assert stark.is_signed(hashed, (r, s), key)
    assert not stark.is_signed(hashed + 1, (r, s), key)
    assert balance["Authorization"] == "Bearer paradex-session"


# ---------------------------------------------------------------- Lighter


def test_a_call_to_lighter_carries_a_token_that_the_api_key_signed(trader: Trader) -> None:
    trader.holds("lighter")
    with trading_at("lighter") as server:
        client = trader.client("lighter", config=server.config())
        assert client.fetch_open_orders(SYMBOLS["lighter"]) == []
        sent = last_of(server.requests, "/api/v1/accountActiveOrders")
        assert sent.query["account_index"] == "77"
    text, _, signature = sent.headers["Authorization"].rpartition(":")
    _, account, index = text.split(":")
    assert (account, index) == ("77", "5")
    key = bytes.fromhex(CREDENTIALS["lighter"]["private_key"])
    assert lighter.is_signed(text.encode(), bytes.fromhex(signature), key)
    assert not lighter.is_signed(text.encode() + b"0", bytes.fromhex(signature), key)


def test_balances_and_positions_of_lighter_carry_no_token(trader: Trader) -> None:
    trader.holds("lighter", "read_only", api_key_index="0")
    with trading_at("lighter") as server:
        client = trader.client("lighter", access="positions_only", config=server.config())
        assert client.fetch_positions() == []
        assert all("Authorization" not in request.headers for request in server.requests)
