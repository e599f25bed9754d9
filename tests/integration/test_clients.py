"""Clients of ccxt against a server that checks their signatures."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from support.world import World

from registry import clients, errors
from registry.catalog.catalog import built_in_exchanges
from registry.clients import create_async_client, create_client
from registry.loader import AsyncCredentialLoader, CredentialLoader

pytest.importorskip("ccxt")

SEED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(SEED.public_key().public_bytes_raw()).decode()
SECRET = base64.b64encode(SEED.private_bytes_raw()).decode()
BALANCES = {
    "/api/v1/capital": {"USDC": {"available": "120", "locked": "0", "staked": "0"}},
    "/api/3/spot/balance": [{"currency": "USDT", "available": "7", "reserved": "0"}],
}
INSTRUCTIONS = {"/api/v1/capital": "balanceQuery", "/api/v1/order": "orderExecute"}


class Exchange(BaseHTTPRequestHandler):
    """Answers as Backpack and HitBTC do, and only to what is signed as they want it."""

    server: "Server"

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, body: str) -> None:
        path = urlsplit(self.path).path
        self.server.requests.append(f"{self.command} {path}")
        if path in ("/api/v1/markets", "/api/v1/assets", "/api/v1/securities"):
            return self._send(200, [])
        signed = self._backpack(path) if path in INSTRUCTIONS else self._hitbtc(path, body)
        if not signed:
            return self._send(401, {"message": "the signature is wrong"})
        return self._send(200, BALANCES.get(path, {}))

    def _backpack(self, path: str) -> bool:
        moment, window = self.headers["X-Timestamp"], self.headers["X-Window"]
        text = f"instruction={INSTRUCTIONS[path]}&timestamp={moment}&window={window}"
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(self.headers["X-API-Key"]))
        try:
            key.verify(base64.b64decode(self.headers["X-Signature"]), text.encode())
        except InvalidSignature:
            return False
        return True

    def _hitbtc(self, path: str, body: str) -> bool:
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if not encoded:
            return False
        name, signature, moment = base64.b64decode(encoded).decode().split(":")
        text = f"{self.command}{path}{body}{moment}"
        wanted = hmac.new(b"hitbtc-secret", text.encode(), hashlib.sha256).hexdigest()
        return (scheme, name) == ("HS256", "hitbtc-key") and hmac.compare_digest(wanted, signature)

    def _send(self, status: int, answer: Any) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


class Server(ThreadingHTTPServer):
    """The exchanges, and what they were asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.requests: list[str] = []
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def config(self, path: str = "", kind: str = "api") -> dict[str, Any]:
        """What leads a client here."""
        return {"urls": {kind: dict.fromkeys(("public", "private"), self.address + path)}}


@pytest.fixture
def server() -> Iterator[Server]:
    """Both exchanges on one port."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def loader(world: World, database_url: str) -> Iterator[CredentialLoader]:
    """Credentials of main_bot for both."""
    world.account("main_bot")
    world.credential("main_bot", "backpack", public_key=PUBLIC, secret_key=SECRET)
    fields: list[dict[str, Any]] = [
        {"name": "api_key", "env": "HITBTC_KEY", "ccxt": "apiKey"},
        {"name": "secret_key", "env": "HITBTC_SECRET", "ccxt": "secret"},
        {"name": "environment", "env": "HITBTC_ENVIRONMENT", "required": False, "secret": False},
    ]
    world.exchanges.add("hitbtc", fields, ccxt="hitbtc")
    with CredentialLoader(database_url, keyring=world.keyring) as opened:
        yield opened


def with_hitbtc(world: World, **more: str) -> None:
    """Gives main_bot a HitBTC key."""
    values: dict[str, Any] = {"api_key": "hitbtc-key", "secret_key": "hitbtc-secret", **more}
    world.credential("main_bot", "hitbtc", **values)


def test_a_backpack_client_signs_with_ed25519(server: Server, loader: CredentialLoader) -> None:
    client = create_client("main_bot", "backpack", config=server.config(), loader=loader)
    assert client.fetch_balance()["USDC"]["free"] == 120.0
    assert "GET /api/v1/capital" in server.requests


def test_an_adopted_backpack_credential_has_its_public_key_as_api_key() -> None:
    field = built_in_exchanges()["backpack"].field("api_key")
    assert field is not None
    assert (field.env, field.ccxt) == ("BACKPACK_PUBLIC_KEY", "apiKey")


def test_a_client_of_an_exchange_of_ones_own_signs_with_hmac(
    world: World, server: Server, loader: CredentialLoader
) -> None:
    with_hitbtc(world)
    client = create_client("main_bot", "hitbtc", config=server.config("/api/3"), loader=loader)
    assert client.fetch_balance()["USDT"]["free"] == 7.0


def test_the_server_would_refuse_another_secret(
    world: World, server: Server, loader: CredentialLoader
) -> None:
    import ccxt

    world.credential("main_bot", "hitbtc", api_key="hitbtc-key", secret_key="another-one")
    client = create_client("main_bot", "hitbtc", config=server.config("/api/3"), loader=loader)
    with pytest.raises(ccxt.BaseError):
        client.fetch_balance()


@pytest.mark.usefixtures("loader")
def test_an_async_client_does_the_same(world: World, server: Server, database_url: str) -> None:
    async def bot() -> Any:
        async with AsyncCredentialLoader(database_url, keyring=world.keyring) as async_loader:
            client = await create_async_client(
                "main_bot",
                "backpack",
                access=None,
                config=server.config(),
                loader=async_loader,
            )
            try:
                return await client.fetch_balance()
            finally:
                await client.close()

    assert asyncio.run(bot())["USDC"]["free"] == 120.0


@pytest.fixture
def reading(world: World, server: Server, loader: CredentialLoader) -> Any:
    """A client with a read-only key."""
    world.credential(
        "main_bot", "backpack", permission="read_only", public_key=PUBLIC, secret_key=SECRET
    )
    return create_client(
        "main_bot", "backpack", access="read_only", config=server.config(), loader=loader
    )


def test_a_reading_client_reads(reading: Any) -> None:
    assert reading.fetchBalance()["USDC"]["free"] == 120.0
    assert reading.id == "backpack"
    assert reading.milliseconds() > 0


REFUSED = (
    *("create_order", "createOrder", "cancel_order", "cancel_all_orders", "withdraw", "transfer"),
    *("set_leverage", "edit_order", "create_deposit_address", "fetch", "fetch2", "request"),
    *("sign", "privatePostApiV1Order", "private_post_api_v1_order", "call_endpoint", "secret"),
    *("apiKey", "set_sandbox_mode", "fetch_deposit_address"),
)


def test_everything_else_raises_before_anything_is_sent(reading: Any, server: Server) -> None:
    before = list(server.requests)
    for name in REFUSED:
        with pytest.raises(errors.OperationRefused):
            getattr(reading, name)("BTC/USDC", "limit", "buy", 1, 1)
    assert server.requests == before


def test_nothing_of_a_reading_client_can_be_replaced(reading: Any) -> None:
    with pytest.raises(errors.OperationRefused):
        reading.urls = {}
    assert SECRET not in repr(reading)


def test_positions_only_reads_no_balance(
    world: World, server: Server, loader: CredentialLoader
) -> None:
    world.account("borrower")
    world.credential(
        "main_bot", "backpack", permission="read_only", public_key=PUBLIC, secret_key=SECRET
    )
    world.share("borrower", "main_bot", "backpack", "positions_only")
    client = create_client("borrower", "backpack", config=server.config(), loader=loader)
    with pytest.raises(errors.OperationRefused, match="positions_only"):
        client.fetch_balance()
    assert callable(client.fetch_positions)
    assert server.requests == []


def test_no_read_only_key_no_reading_client(loader: CredentialLoader) -> None:
    with pytest.raises(errors.ReleaseRefused):
        create_client("main_bot", "backpack", access="positions_only", loader=loader)


def test_the_test_system_is_used_when_asked_for_or_when_the_credential_says_so(
    world: World, server: Server, loader: CredentialLoader
) -> None:
    with_hitbtc(world, environment="testnet")
    config = server.config("/api/3", "test")
    client = create_client("main_bot", "hitbtc", config=config, loader=loader)
    assert client.fetch_balance()["USDT"]["free"] == 7.0
    plain = create_client("main_bot", "hitbtc", sandbox=False, loader=loader)
    assert plain.urls["api"]["private"] == "https://api.hitbtc.com/api/3"
    with pytest.raises(errors.InvalidInput, match="test system"):
        create_client("main_bot", "backpack", sandbox=True, loader=loader)


def test_what_ccxt_cannot_do_is_said(
    world: World, loader: CredentialLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(errors.InvalidInput, match="no ccxt client for edgex"):
        create_client("main_bot", "edgex", loader=loader)
    world.credentials.remove("main_bot", "backpack")
    with pytest.raises(errors.CredentialNotFound):
        create_client("main_bot", "backpack", loader=loader)
    monkeypatch.setitem(__import__("sys").modules, "ccxt", None)
    with pytest.raises(errors.MissingExtra):
        create_client("main_bot", "backpack", loader=loader)


def test_every_allowed_method_is_one_of_ccxts() -> None:
    import ccxt

    known = set(dir(ccxt.Exchange)) | set(dir(ccxt.binance))
    named = set().union(*clients._ALLOWED.values())
    assert sorted(name for name in named if name not in known) == []
