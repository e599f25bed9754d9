"""The exchanges' answers: one market each, an account with a small balance, and nothing else.

The keys have the form that each exchange needs; they are made up.
"""

from collections.abc import Mapping
from typing import Any, Final

from support.exchange_server import Answer, Request

WALLET_KEY: Final = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
WALLET: Final = "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23"
PARADEX_CHAIN: Final = "PRIVATE_SN_PARACLEAR_MAINNET"

CREDENTIALS: Final[Mapping[str, Mapping[str, Any]]] = {
    "lighter": {"private_key": "0b" * 40, "account_index": "77", "api_key_index": "5"},
    "paradex": {
        "l1_address": WALLET,
        "l2_private_key_hex": "0x57b2f8431c772e647712ae93cc6166380f1e2d3c4b5a69788796a5b4c3d2e1f",
        "l2_address": "0x1234567890abcdef1234567890abcdef1234567890abcdef1234567890abcd",
    },
    "grvt": {
        "trading_account_id": "8765432109",
        "private_key": "0x" + WALLET_KEY,
        "api_key": "grvt-api-key",
    },
    "hyperliquid": {"wallet_address": WALLET, "private_key": "0x" + WALLET_KEY},
    "aster": {"private_key": "0x" + WALLET_KEY},
    "backpack": {
        # The key pair whose seed is the bytes 0 to 31.
        "public_key": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
        "secret_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    },
}
SYMBOLS: Final[Mapping[str, str]] = {
    "lighter": "BTC/USDC:USDC",
    "paradex": "BTC/USD:USDC",
    "grvt": "BTC/USDT:USDT",
    "hyperliquid": "BTC/USDC:USDC",
    "aster": "BTC/USDT:USDT",
    "backpack": "BTC/USDC:USDC",
}


def _lighter(request: Request) -> Any:
    perpetual = {
        "symbol": "BTC", "market_id": 1, "market_type": "perp", "status": "active",
        "size_decimals": 5, "price_decimals": 1, "min_base_amount": "0.0001",
        "min_quote_amount": "1", "taker_fee": "0", "maker_fee": "0",
    }  # fmt: skip
    return {
        "code": 200,
        "order_book_details": [perpetual],
        "asset_details": [{"asset_id": 3, "symbol": "USDC", "decimals": 6, "l1_decimals": 6}],
        "accounts": [{"index": 77, "available_balance": "120", "assets": [], "positions": []}],
        "user_tier": "premium",
        "orders": [],
        "trades": [],
    }


def _paradex(request: Request) -> Any:
    last = request.path.rpartition("/")[2]
    market = {
        "symbol": "BTC-USD-PERP", "base_currency": "BTC", "quote_currency": "USD",
        "settlement_currency": "USDC", "order_size_increment": "0.001", "price_tick_size": "0.1",
        "min_notional": "10", "open_at": 1717065600000, "expiry_at": 0, "asset_kind": "PERP",
        "max_order_size": "100", "delta1_cross_margin_params": {"imf_base": "0.02"},
    }  # fmt: skip
    return {
        "auth": {"jwt_token": "paradex-session"},
        "config": {"starknet_chain_id": PARADEX_CHAIN, "l1_chain_id": "1"},
        "balance": {"results": [{"token": "USDC", "size": "120"}]},
        "markets": {"results": [market]},
    }.get(last, {"results": []})


def _grvt(request: Request) -> Any:
    last = request.path.rpartition("/")[2]
    instrument = {
        "instrument": "BTC_USDT_Perp", "instrument_hash": "0x030501", "base": "BTC",
        "quote": "USDT", "kind": "PERPETUAL", "settlement_period": "PERPETUAL",
        "base_decimals": "9", "quote_decimals": "6", "tick_size": "0.1", "min_size": "0.001",
        "create_time": "1764303867576216941", "max_position_size": "100",
    }  # fmt: skip
    balance = {"currency": "USDT", "balance": "120", "index_price": "1"}
    return {
        "login": {"status": "success"},
        "currency": {"result": [{"id": "3", "symbol": "USDT", "balance_decimals": "6"}]},
        "all_instruments": {"result": [instrument]},
        "create_order": {"result": {"order_id": "0x01", "legs": [{"instrument": "BTC_USDT_Perp"}]}},
        "account_summary": {"result": {"spot_balances": [balance], "settle_currency": "USDT"}},
    }.get(last, {"result": []})


def _hyperliquid(request: Request) -> Any:
    kind = request.json().get("type", "order")
    context = {"markPx": "100000", "midPx": "100000", "oraclePx": "100000", "funding": "0"}
    context |= {"openInterest": "1", "dayNtlVlm": "1", "prevDayPx": "100000", "premium": "0"}
    coin = {"name": "BTC", "szDecimals": 5, "maxLeverage": 40}
    usdc = {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0, "isCanonical": True}
    state = {"marginSummary": {"accountValue": "120"}, "withdrawable": "120", "assetPositions": []}
    return {
        "metaAndAssetCtxs": [{"universe": [coin]}, [context]],
        "spotMeta": {"tokens": [usdc], "universe": []},
        "spotMetaAndAssetCtxs": [{"tokens": [usdc], "universe": []}, []],
        "perpDexs": [None],
        "userAbstraction": "default",
        "clearinghouseState": state,
        "order": {"status": "ok", "response": {"data": {"statuses": [{"resting": {"oid": 1}}]}}},
    }.get(kind, [])


def _aster(request: Request) -> Any:
    market = {
        "symbol": "BTCUSDT", "status": "TRADING", "contractType": "PERPETUAL",
        "baseAsset": "BTC", "quoteAsset": "USDT", "marginAsset": "USDT",
        "pricePrecision": 1, "quantityPrecision": 3, "baseAssetPrecision": 8,
        "quotePrecision": 8, "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.1"}],
        "orderTypes": ["LIMIT"],
    }  # fmt: skip
    if request.path.endswith("/exchangeInfo"):
        futures = request.path.startswith("/fapi")
        return {"symbols": [market] if futures else [], "assets": [{"asset": "USDT"}]}
    if request.path.endswith("/balance"):
        return [{"asset": "USDT", "availableBalance": "120", "balance": "120"}]
    return []


def _backpack(request: Request) -> Any:
    filters = {"price": {"tickSize": "0.1"}, "quantity": {"stepSize": "0.001"}}
    market = {
        "symbol": "BTC_USDC_PERP", "baseSymbol": "BTC", "quoteSymbol": "USDC",
        "marketType": "PERP", "orderBookState": "Open", "filters": filters, "visible": True,
    }  # fmt: skip
    last = request.path.rpartition("/")[2]
    return {
        "markets": [market],
        "assets": [{"symbol": "USDC", "tokens": []}],
        "capital": {"USDC": {"available": "120", "locked": "0", "staked": "0"}},
    }.get(last, [])


ANSWERS: Final[Mapping[str, Answer]] = {
    "lighter": _lighter,
    "paradex": _paradex,
    "grvt": _grvt,
    "hyperliquid": _hyperliquid,
    "aster": _aster,
    "backpack": _backpack,
}
