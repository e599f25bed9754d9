"""`AsyncRegistry`: the Python API for asyncio programs."""

import asyncio
import functools
from typing import Any, Final, Self

from registry.encryption.secret import Secret
from registry.registry import Registry
from registry.services.feed.feed import AsyncFeed

_NEVER_DONE: Final = ("follow", "stream_history")
"""Generators of events: each step would block the event loop."""


class _InThreads:
    """A proxy of a registry or one of its parts; each method runs in a thread."""

    def __init__(self, part: Any) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        found = None if name in _NEVER_DONE else getattr(self._part, name)
        if found is None:
            raise AttributeError(f"there is no {name} to await; use a Registry in a thread")
        if not callable(found):
            return _InThreads(found)

        @functools.wraps(found)
        async def call(*arguments: Any, **options: Any) -> Any:
            return await asyncio.to_thread(found, *arguments, **options)

        return call

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._part)} - {*_NEVER_DONE})


class AsyncRegistry(_InThreads):
    """`Registry` for asyncio programs: each call runs in a thread, and is awaited.

        async with AsyncRegistry.open() as registry:
            await registry.accounts.create("main_bot")

    It has the parts and methods of `Registry`, except `follow` and `stream_history`.
    """

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry)

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        key: Secret | str | None = None,
        actor: str | None = None,
        direct: str | None = None,
    ) -> Self:
        """See `Registry.open`."""
        return cls(Registry.open(url, key=key, actor=actor, direct=direct))

    def feed(self, *arguments: Any, **options: Any) -> AsyncFeed:
        """See `Registry.feed`; the events come by `async for`."""
        return AsyncFeed(functools.partial(self._part.feed, *arguments, **options))

    async def close(self) -> None:
        """Closes the connections. The registry cannot be used afterwards."""
        await asyncio.to_thread(self._part.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
