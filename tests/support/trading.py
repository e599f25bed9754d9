"""A bot with a well-formed credential for each exchange that has a ccxt client."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from registry.clients import create_async_client, create_client
from registry.events.permissions import Permission
from registry.loader import AsyncCredentialLoader, CredentialLoader
from support.exchange_answers import ANSWERS, CREDENTIALS
from support.exchange_server import ExchangeServer, serving
from support.world import World


class Trader:
    """The account `main_bot` and its clients, each directed to one server."""

    def __init__(self, world: World, address: str) -> None:
        self.world = world
        self.loader = CredentialLoader(address, keyring=world.keyring)
        self.async_loader = AsyncCredentialLoader(address, keyring=world.keyring)
        world.account("main_bot")

    def close(self) -> None:
        """Closes the connections of the loaders."""
        self.loader.close()
        asyncio.run(self.async_loader.close())

    def holds(self, exchange: str, permission: Permission = "full", **fields: str | None) -> None:
        """Gives the account a credential; a field that is None is left out."""
        given = {**CREDENTIALS[exchange], **fields}
        values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        self.world.credential("main_bot", exchange, permission=permission, **values)

    def client(self, exchange: str, *, account: str = "main_bot", **options: Any) -> Any:
        """A client as a bot creates it."""
        return create_client(account, exchange, loader=self.loader, **options)

    async def async_client(self, exchange: str, **options: Any) -> Any:
        """The same for asyncio."""
        return await create_async_client("main_bot", exchange, loader=self.async_loader, **options)


@contextmanager
def trading_at(exchange: str, *, takes_orders: bool = False) -> Iterator[ExchangeServer]:
    """A server that answers like the exchange."""
    with serving(exchange, ANSWERS[exchange]) as server:
        server.trading = takes_orders
        yield server
