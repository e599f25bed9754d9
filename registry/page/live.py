"""Tells the pages that are open that something has changed."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

from registry.registry import Registry

_PAUSE: Final = 1.0
"""The least seconds between two calls of a page to renew itself; the first comes at once."""
_HEARTBEAT: Final = 20.0
"""A page that hears nothing for longer may take the server to be gone."""


class Changes:
    """Wakes the pages that wait when there is something new in the log, or the database is away."""

    def __init__(self, registry: Registry) -> None:
        self._changed = asyncio.Condition()
        self._count = 0
        self._is_closed = False
        self._loop = asyncio.get_running_loop()
        self._live = registry.views.live(self._wake, lambda _: self._wake())

    async def told(self) -> AsyncGenerator[int | None, None]:
        """A growing number after each change, and None now and then to show that all is well.

        Many changes at once are told as one.
        """
        seen = self._count
        while not self._is_closed:
            try:
                async with asyncio.timeout(_HEARTBEAT), self._changed:
                    while self._count == seen:
                        await self._changed.wait()
            except TimeoutError:
                yield None
                continue
            seen = self._count
            yield seen
            await asyncio.sleep(_PAUSE)

    async def close(self) -> None:
        """Ends the waiting of every page."""
        self._is_closed = True
        self._live.close()
        await self._tell()

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._soon)

    def _soon(self) -> None:
        self._telling = self._loop.create_task(self._tell())

    async def _tell(self) -> None:
        async with self._changed:
            self._count += 1
            self._changed.notify_all()
