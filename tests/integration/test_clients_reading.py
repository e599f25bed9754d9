"""A read-only client sends only reads and logins, for every call."""

import asyncio
import contextlib
import copy
import inspect
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from support.exchange_answers import CREDENTIALS, SYMBOLS
from support.exchange_server import ExchangeServer
from support.trading import Trader, trading_at

from registry import clients, errors

ccxt = pytest.importorskip("ccxt")

EXCHANGES = sorted(CREDENTIALS)
ACCESSES = sorted(clients._ALLOWED)
SOUGHT = {"read_only": ("balance", "positions", "orders"), "positions_only": ("positions",)}
"""What must have been asked for; else nothing was driven."""
PATHS = {
    "aster": ("/api/v3/account", "/fapi/v3/positionRisk", "/fapi/v3/openOrders"),
    "backpack": ("/api/v1/capital", "/api/v1/position", "/api/v1/orders"),
    "grvt": ("/full/v1/account_summary", "/full/v1/positions", "/full/v1/open_orders"),
    "hyperliquid": ("/info", "/info", "/info"),
    "lighter": ("/api/v1/account", "/api/v1/account", "/api/v1/accountActiveOrders"),
    "paradex": ("/v1/balance", "/v1/positions", "/v1/orders"),
}


def calls(client: Any, access: str, exchange: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each method that may be called, with what it must be given."""
    currency = SYMBOLS[exchange].rpartition(":")[2]
    values = {
        "symbol": SYMBOLS[exchange],
        "symbols": [SYMBOLS[exchange]],
        "code": currency,
        "id": "1",
        "amount": 1,
        "price": 1,
        "cost": 1,
        "fee": 1,
        "timeframe": "1h",
        "timestamp": "2026-01-01T00:00:00Z",
        "networkCode": None,
        "params": {"builderFee": True, "address": "0x" + "0a" * 20},
    }
    for name in ("load_markets", *sorted(clients._ALLOWED[access] - {"close", "load_markets"})):
        # ccxt has not each of them for each exchange.
        with contextlib.suppress(AttributeError):
            method = getattr(client, name)
            parameters = inspect.signature(method).parameters
            yield (
                method,
                {parameter: values[parameter] for parameter in parameters if parameter in values},
            )


def judge(server: ExchangeServer, access: str) -> None:
    assert [(change.method, change.path) for change in server.changes] == []
    asked = {request.path for request in server.requests}
    wanted = dict(zip(("balance", "positions", "orders"), PATHS[server.exchange], strict=True))
    assert {wanted[one] for one in SOUGHT[access]} <= asked


@pytest.mark.parametrize("access", ACCESSES)
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_method_that_may_be_called_only_reads(
    trader: Trader, exchange: str, access: Any
) -> None:
    trader.holds(exchange, "read_only")
    with trading_at(exchange) as server:
        client = trader.client(exchange, access=access, config=server.config())
        for method, arguments in calls(client, access, exchange):
            with contextlib.suppress(Exception):
                method(**arguments)
        judge(server, access)


@pytest.mark.slow
@pytest.mark.parametrize("access", ACCESSES)
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_method_of_an_async_client_only_reads(
    trader: Trader, exchange: str, access: Any
) -> None:
    trader.holds(exchange, "read_only")

    async def drive(server: ExchangeServer) -> None:
        options = {"access": access, "config": server.config()}
        async with await trader.async_client(exchange, **options) as client:
            for method, arguments in calls(client, access, exchange):
                with contextlib.suppress(Exception):
                    result = method(**arguments)
                    if inspect.isawaitable(result):
                        await result

    with trading_at(exchange) as server:
        asyncio.run(drive(server))
        judge(server, access)


@pytest.mark.parametrize("asynchronous", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_full_client_sends_nothing_unasked_either(
    trader: Trader, exchange: str, asynchronous: bool
) -> None:
    trader.holds(exchange)

    async def drive(server: ExchangeServer) -> None:
        client = await trader.async_client(exchange, config=server.config())
        await client.load_markets()
        await client.fetch_positions()
        await client.close()

    with trading_at(exchange, takes_orders=True) as server:
        if asynchronous:
            asyncio.run(drive(server))
        else:
            client = trader.client(exchange, config=server.config())
            client.load_markets()
            client.fetch_positions()
        assert server.changes == []
        names = {name.lower() for request in server.requests for name in request.headers}
        assert not names & {"paradex-partner", "x-broker-id"}


@pytest.mark.parametrize("exchange", ["aster", "hyperliquid"])
def test_the_server_would_notice_what_ccxt_does_by_itself(exchange: str) -> None:
    keys = {"privateKey": "0x" + "17" * 32, "walletAddress": "0x" + "0a" * 20}
    with trading_at(exchange) as server:
        getattr(ccxt, exchange)({**server.config(), **keys}).load_markets()
        assert server.changes != []


@pytest.mark.parametrize("exchange", ["aster", "hyperliquid"])
def test_who_asks_for_the_builder_s_fee_pays_it(trader: Trader, exchange: str) -> None:
    trader.holds(exchange)
    with trading_at(exchange, takes_orders=True) as server:
        client = trader.client(exchange, config=server.config(builderFee=True, refSet=False))
        client.load_markets()
        sent = "".join(change.path + change.body for change in server.changes)
    assert "approveBuilder" in sent
    assert ("setReferrer" in sent) == (exchange == "hyperliquid")


def test_who_asks_for_a_partner_names_it(trader: Trader) -> None:
    trader.holds("paradex")
    with trading_at("paradex") as server:
        trader.client("paradex", config=server.config(broker="ours")).fetch_balance()
        assert server.requests[-1].headers["PARADEX-PARTNER"] == "ours"


@pytest.mark.parametrize(
    "option", [{"builderFee": True}, {"refSet": False}, {"createOrder": {}, "builderFee": 1.5}]
)
def test_a_reading_client_cannot_be_told_to_pay_or_to_refer(
    trader: Trader, option: dict[str, Any]
) -> None:
    trader.holds("hyperliquid", "read_only")
    with pytest.raises(errors.InvalidInput, match=r"config may not set options\.\w+"):
        trader.client("hyperliquid", access="read_only", config={"options": option})
    same = {"options": {"builderFee": False, "refSet": True}, "verbose": False}
    assert trader.client("hyperliquid", access="read_only", config=same).id == "hyperliquid"


# ---------------------------------------------------------------- what a client shows


def secrets_of(exchange: str) -> list[str]:
    names = ("private_key", "l2_private_key_hex", "api_key", "secret_key")
    values = [CREDENTIALS[exchange].get(name, "") for name in names]
    sessions = ["paradex-session", "grvt-session"]
    return [value.removeprefix("0x") for value in values if value] + sessions


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_nothing_that_a_reading_client_shows_holds_a_secret(
    trader: Trader, exchange: str, capfd: pytest.CaptureFixture[str]
) -> None:
    trader.holds(exchange, "read_only")
    with trading_at(exchange) as server:
        client = trader.client(exchange, access="read_only", config=server.config())
        client.fetch_balance()
        shown = [repr(client), str(client), f"{client}", repr(client.describe())]
        shown += [repr(getattr(client, fact)) for fact in clients._FACTS]
    shown += capfd.readouterr()
    assert not [secret for secret in secrets_of(exchange) for text in shown if secret in text]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_an_error_of_ccxt_holds_no_secret(trader: Trader, exchange: str) -> None:
    trader.holds(exchange)
    with trading_at(exchange) as server:
        client = trader.client(exchange, config=server.config())
        client.load_markets()
    told = []
    for call in (client.fetch_balance, client.fetch_positions):
        with pytest.raises(ccxt.BaseError) as refused:
            call()
        told.append(f"{refused.value!r} {refused.value}")
    assert not [secret for secret in secrets_of(exchange) for text in told if secret in text]


@pytest.mark.parametrize(
    "name", ["options", "headers", "last_response_headers", "session", "verbose", "privateKey"]
)
def test_where_ccxt_keeps_keys_and_logins_cannot_be_looked_at(trader: Trader, name: str) -> None:
    trader.holds("grvt", "read_only")
    client = trader.client("grvt", access="read_only")
    with pytest.raises(errors.OperationRefused):
        getattr(client, name)
    with pytest.raises(errors.OperationRefused):
        setattr(client, name, {})


def test_a_reading_client_does_not_print_what_it_sends(trader: Trader) -> None:
    trader.holds("grvt", "read_only")
    with pytest.raises(errors.InvalidInput, match="config may not set verbose"):
        trader.client("grvt", access="read_only", config={"verbose": True})


def test_a_reading_client_is_neither_copied_nor_pickled_nor_taken_apart(trader: Trader) -> None:
    trader.holds("paradex", "read_only")
    client = trader.client("paradex", access="read_only")
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            way(client)
    with pytest.raises(TypeError):
        vars(client)
    assert not hasattr(client, "_repr_html_")
