"""Tells the pages that are open that something has changed."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

from registry.errors import RegistryError
from registry.registry import Registry

if TYPE_CHECKING:
    from registry.services.feed.feed import Feed

log = logging.getLogger("registry")

PAUSE: Final = 1.0
"""The least seconds between two calls of a page to renew itself; the first comes at once."""
_HEARTBEAT: Final = 20.0
"""A page that hears nothing for longer may take the server to be gone."""
_RETRY: Final = 2.0


class Live:
    """Follows the log in a thread, and wakes the pages that wait."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._changed = asyncio.Condition()
        self._count = 0
        self._closing = threading.Event()
        self._feed: Feed | None = None
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._follow, name="page-follows", daemon=True).start()

    async def changes(self) -> AsyncGenerator[int | None, None]:
        """A growing number after each change, and None now and then to show that all is well.

        Many changes at once are told as one.
        """
        seen = self._count
        while not self._closing.is_set():
            try:
                async with asyncio.timeout(_HEARTBEAT), self._changed:
                    while self._count == seen:
                        await self._changed.wait()
            except TimeoutError:
                yield None
                continue
            seen = self._count
            yield seen
            await asyncio.sleep(PAUSE)

    async def close(self) -> None:
        """Ends the waiting of every page."""
        self._closing.set()
        if self._feed is not None:
            self._feed.close()
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._count += 1
            self._changed.notify_all()

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                with self._registry.feed(lost=self._lost) as self._feed:
                    for _ in self._feed:
                        self._wake()
            except RegistryError as error:
                # Such as a log that was restored: whoever looks reads it anew.
                self._lost(error.message)
            self._closing.wait(_RETRY)

    def _lost(self, why: str) -> None:
        log.info("the page has to follow the log anew: %s", why)
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._soon)

    def _soon(self) -> None:
        self._told = self._loop.create_task(self._tell())
