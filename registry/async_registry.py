"""`AsyncRegistry`: the front door for programs of asyncio."""

import asyncio
import functools
from typing import Any, Self

from registry.encryption.secret import Secret
from registry.registry import Registry


class AsyncRegistry:
    """`Registry` for programs of asyncio: each call runs in a thread, and is awaited.

        async with AsyncRegistry.open() as registry:
            await registry.accounts.create("main_bot")

    It has the parts and methods of `Registry`, but for `follow`, which goes on for ever.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    @classmethod
    def open(
        cls, url: str | None = None, *, key: Secret | str | None = None, actor: str | None = None
    ) -> Self:
        """As `Registry.open`."""
        return cls(Registry.open(url, key=key, actor=actor))

    async def close(self) -> None:
        """Closes the connections; after it the registry cannot be used."""
        await asyncio.to_thread(self._registry.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __getattr__(self, name: str) -> Any:
        return _in_threads(getattr(self._registry, name))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *dir(self._registry)]


class _InThreads:
    """A part of a registry, each of its methods in a thread."""

    def __init__(self, part: object) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return _in_threads(getattr(self._part, name))

    def __dir__(self) -> list[str]:
        return dir(self._part)


def _in_threads(found: Any) -> Any:
    if not callable(found):
        return _InThreads(found)

    @functools.wraps(found)
    async def call(*arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(found, *arguments, **options)

    return call
