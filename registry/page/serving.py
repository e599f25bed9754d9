"""Runs the page until it is told to end."""

import asyncio
import contextlib
import ipaddress
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from aiohttp import web

from registry.errors import InvalidInput
from registry.page.app import Page
from registry.page.guard import Guard
from registry.registry import Registry

_ENDING: Final = 2.0
"""So many seconds the open pages have to end."""


def address_of(listen: str) -> tuple[str, int]:
    """The host and the port of a text such as 127.0.0.1:8484 or [::1]:8484.

    Raises:
        InvalidInput: the text is not an address of this form.
    """
    host, colon, port = listen.rpartition(":")
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        ipaddress.ip_address("127.0.0.1" if name == "localhost" else name)
        number = int(port) if colon and port.isascii() and port.isdigit() else -1
    except ValueError:
        number = -1
    if not 0 <= number < 2**16:
        raise InvalidInput(
            "the page listens at an IP address and a port",
            hint="Such as 127.0.0.1:8484, or [::1]:8484.",
        )
    return name, number


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host."""
    return host == "localhost" or ipaddress.ip_address(host).is_loopback


def serve(
    registry: Registry,
    listen: str,
    *,
    names: Sequence[str] = (),
    token: str | None = None,
    tell: Callable[[str, str], None],
) -> None:
    """Serves the page until SIGINT or SIGTERM.

    `tell` gets the page's address and its token once the server listens. `names` are what
    browsers may call this server, besides its address.

    Raises:
        InvalidInput: it cannot listen there.
    """
    asyncio.run(_serve(registry, address_of(listen), Guard(names, token), tell))


async def _serve(
    registry: Registry, at: tuple[str, int], guard: Guard, tell: Callable[[str, str], None]
) -> None:
    async with listening(registry, at, guard) as address:
        tell(address, guard.token)
        await _until_told()


@contextlib.asynccontextmanager
async def listening(registry: Registry, at: tuple[str, int], guard: Guard) -> AsyncIterator[str]:
    """The address of the page, which answers meanwhile; errors as `serve`."""
    host, port = at
    # Cookies do not tell ports apart: two pages of one machine need two names.
    page = Page(registry, guard, cookie=f"account_registry_{port}")
    runner = web.AppRunner(
        page.application(), access_log=None, logger=_unheard(), shutdown_timeout=_ENDING
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise InvalidInput(
                f"the page cannot listen at {host}, port {port}: {error.strerror}",
                hint="Another program may use it; choose another port: --listen 127.0.0.1:PORT",
            ) from None
        name, number, *_ = runner.addresses[0]
        yield f"http://[{name}]:{number}/" if ":" in name else f"http://{name}:{number}/"
    finally:
        await runner.cleanup()


def _unheard() -> logging.Logger:
    """For what aiohttp says of a malformed request: it repeats its lines, a token too."""
    logger = logging.getLogger("registry.page.malformed")
    logger.disabled = True
    return logger


async def _until_told() -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
            stack.callback(loop.remove_signal_handler, number)
        await ended.wait()
