"""What exchanges answer about a key: right answers to requests that it signed, and refusals.

The signatures are checked without ccxt's code. The forms of the answers are those that the
exchanges document.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from support import lighter
from support.ethereum import address_of_private
from support.exchange_answers import CREDENTIALS, WALLET
from support.exchange_server import Answer, Reply, Request

_EC_KEY: Final = ec.derive_private_key(0xC01BA5E, ec.SECP256R1())
AGENT_KEY: Final = "0x" + "17" * 32
AGENT: Final = address_of_private(AGENT_KEY.removeprefix("0x"))

KEYS: Final[Mapping[str, Mapping[str, Any]]] = {
    "binance": {"api_key": "binance-key7", "secret_key": "binance-secret7"},
    "bybit": {"api_key": "bybit-key7", "secret_key": "bybit-secret7"},
    "okx": {"api_key": "okx-key7", "secret_key": "okx-secret7", "passphrase": "okx words 7"},
    "kraken": {
        "api_key": "kraken-key7",
        "secret_key": base64.b64encode(bytes(range(64))).decode(),
    },
    "coinbase": {
        "api_key": "organizations/3b910e93-0000-4000-8000-000000000000/apiKeys/7f0d2c1e",
        "secret_key": _EC_KEY.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode(),
    },
    "hyperliquid": {"wallet_address": WALLET, "private_key": AGENT_KEY},
    "backpack": CREDENTIALS["backpack"],
    "lighter": CREDENTIALS["lighter"],
}
OTHERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "binance": {"secret_key": "another-secret8"},
    "bybit": {"secret_key": "another-secret8"},
    "okx": {"secret_key": "another-secret8"},
    "kraken": {"secret_key": base64.b64encode(bytes(64)).decode()},
    "coinbase": {
        "secret_key": ec.derive_private_key(0xBAD, ec.SECP256R1())
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode()
    },
    "hyperliquid": {"private_key": "0x" + "19" * 32},
    "backpack": {"secret_key": base64.b64encode(bytes(32)).decode()},
    "lighter": {"private_key": "0c" * 40},
}
"""Fields of keys that the exchange does not know."""


def _hmac(text: str | bytes, key: str | bytes, algorithm: str = "sha256") -> bytes:
    raw, secret = (part.encode() if isinstance(part, str) else part for part in (text, key))
    return hmac.new(secret, raw, algorithm).digest()


def _headers(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _by_binance(request: Request) -> bool:
    text, _, signature = request.raw_query.partition("&signature=")
    return signature == _hmac(text, "binance-secret7").hex()


def _by_bybit(request: Request) -> bool:
    told = _headers(request)
    text = f"{told['x-bapi-timestamp']}bybit-key7{told['x-bapi-recv-window']}{request.raw_query}"
    return told["x-bapi-sign"] == _hmac(text, "bybit-secret7").hex()


def _by_okx(request: Request) -> bool:
    told = _headers(request)
    query = f"?{request.raw_query}" if request.raw_query else ""
    text = f"{told['ok-access-timestamp']}GET{request.path}{query}"
    signature = base64.b64encode(_hmac(text, "okx-secret7")).decode()
    return (told["ok-access-sign"], told["ok-access-passphrase"]) == (signature, "okx words 7")


def _by_kraken(request: Request) -> bool:
    (nonce,) = parse_qs(request.body)["nonce"]
    digest = hashlib.sha256((nonce + request.body).encode()).digest()
    expected = _hmac(request.path.encode() + digest, bytes(range(64)), "sha512")
    return _headers(request)["api-sign"] == base64.b64encode(expected).decode()


def _by_coinbase(request: Request) -> bool:
    token = request.headers["Authorization"].removeprefix("Bearer ")
    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    r, s = (int.from_bytes(half) for half in (raw[:32], raw[32:]))
    return _verifies(
        lambda: _EC_KEY.public_key().verify(
            encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256())
        )
    )


def _by_backpack(request: Request) -> bool:
    told = request.headers
    text = f"instruction=accountQuery&timestamp={told['X-Timestamp']}&window={told['X-Window']}"
    raw = base64.b64decode(CREDENTIALS["backpack"]["public_key"])
    key = Ed25519PublicKey.from_public_bytes(raw)
    return _verifies(lambda: key.verify(base64.b64decode(told["X-Signature"]), text.encode()))


def _by_lighter(request: Request) -> bool:
    text, _, signature = request.headers["Authorization"].rpartition(":")
    key = bytes.fromhex(CREDENTIALS["lighter"]["private_key"])
    return lighter.is_signed(text.encode(), bytes.fromhex(signature), key)


def _verifies(verify: Callable[[], object]) -> bool:
    try:
        verify()
    except InvalidSignature:
        return False
    return True


SIGNED: Final[Mapping[str, Callable[[Request], bool]]] = {
    "binance": _by_binance,
    "bybit": _by_bybit,
    "okx": _by_okx,
    "kraken": _by_kraken,
    "coinbase": _by_coinbase,
    "backpack": _by_backpack,
    "lighter": _by_lighter,
}
"""Whether the exchange's key in `KEYS` signed a request. Hyperliquid's reads are not signed."""

RIGHT: Final[Mapping[str, Mapping[str, Any]]] = {
    "binance": {
        "/sapi/v1/account/apiRestrictions": {
            "ipRestrict": True,
            "createTime": 1698645219000,
            "enableReading": True,
            "enableWithdrawals": False,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": True,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableSpotAndMarginTrading": False,
        },
        "/api/v3/account": {"uid": 354937868, "canTrade": True, "balances": []},
    },
    "bybit": {
        "/v5/user/query-api": {
            "retCode": 0,
            "retMsg": "",
            "result": {
                "readOnly": 0,
                "permissions": {"ContractTrade": ["Order", "Position"], "Wallet": ["Withdraw"]},
                "ips": ["*"],
                "deadlineDay": 83,
                "expiredAt": "2036-05-15T03:21:05Z",
                "userID": 24617703,
            },
        }
    },
    "okx": {
        "/api/v5/account/config": {
            "code": "0",
            "data": [
                {"uid": "44705892", "perm": "read_only,trade", "ip": "203.0.113.7,198.51.100.0/24"}
            ],
        }
    },
    "kraken": {
        "/0/private/GetApiKeyInfo": {
            "error": [],
            "result": {
                "apiKeyName": "bot",
                "permissions": ["query-funds", "query-open-trades"],
                "validUntil": "2100000000",
                "ipAllowlist": [],
            },
        }
    },
    "coinbase": {
        "/api/v3/brokerage/key_permissions": {
            "can_view": True,
            "can_trade": True,
            "can_transfer": False,
            "portfolio_uuid": "5ac1b2a4-0000-4000-8000-000000000000",
            "portfolio_type": "DEFAULT",
        }
    },
    "backpack": {"/api/v1/account": {"autoLend": False, "leverageLimit": "10"}},
    "lighter": {"/api/v1/accountLimits": {"code": 200, "user_tier": "premium"}},
}
"""The answers to requests that are signed rightly, by path."""

WRONG: Final[Mapping[str, Reply]] = {
    "binance": Reply(
        400, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
    ),
    "bybit": Reply(200, {"retCode": 10004, "retMsg": "error sign!", "result": {}}),
    "okx": Reply(401, {"code": "50113", "msg": "Invalid Sign"}),
    "kraken": Reply(200, {"error": ["EAPI:Invalid signature"]}),
    "coinbase": Reply(401, "Unauthorized\n"),
    "backpack": Reply(400, {"code": "INVALID_CLIENT_REQUEST", "message": "Invalid signature"}),
    "lighter": Reply(400, {"code": 20013, "message": "invalid auth: couldnt find account"}),
}
"""The answer to a request that another key signed."""


def answering(exchange: str) -> Answer:
    """An exchange that knows the key of `KEYS`, and no other."""
    if exchange == "hyperliquid":
        return hyperliquid()

    def answer(request: Request) -> Any:
        return RIGHT[exchange][request.path] if SIGNED[exchange](request) else WRONG[exchange]

    return answer


def hyperliquid(valid_until: int = 2_100_000_000_000, **roles: Any) -> Answer:
    """Hyperliquid, which knows the wallet and its agent; `roles` adds what else it knows."""
    known = {WALLET: {"role": "user"}, AGENT: {"role": "agent", "data": {"user": WALLET}}, **roles}

    def answer(request: Request) -> Any:
        asked = request.json()
        if asked["type"] == "extraAgents":
            return [{"address": AGENT, "name": "bot", "validUntil": valid_until}]
        return known.get(asked["user"].lower(), {"role": "missing"})

    return answer
