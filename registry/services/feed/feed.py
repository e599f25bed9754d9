"""`Feed`: the events of the log as they come, for a thread or for asyncio."""

import asyncio
import contextlib
import os
import time
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from typing import Final, Self

from registry.database.listening import LOG, hub_of
from registry.database.opening import AtTarget
from registry.errors import InvalidInput
from registry.services.feed.events import Bookmark, Event, Place
from registry.services.feed.reader import Reader
from registry.services.reading.history import HistoryFilter, Record, history

_SAVE_SECONDS: Final = 1.0
"""How often a bookmark is written while events are waiting."""


class Feed(Iterator[Event]):
    """An endless iterator of durable events, in the order of the log.

    It takes an event as processed when it is asked for the next one. So whoever fails, or stops,
    is given the last event again the next time: at least once, by its bookmark.
    """

    def __init__(
        self,
        database: AtTarget,
        wanted: HistoryFilter,
        *,
        types: Sequence[str] = (),
        after: Place | int | None = None,
        bookmark: Bookmark | None = None,
        lost: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Begins behind the bookmark's place, or else `after` a place, or else at the end."""
        self._database = database
        self._wanted = wanted
        self._types = types
        self._bookmark = bookmark
        self._lost = lost
        self._kept = None if bookmark is None else bookmark.read()
        start = self._kept or (Place(after) if isinstance(after, int) else after)
        self._join(start)
        self.is_closed = False
        self.save_place()  # a bookmark that cannot be written is told now

    def _join(self, start: Place | None) -> None:
        self._pid = os.getpid()
        self.reader = Reader(self._wanted, self._types, start)
        hub = hub_of(self._database, LOG)
        self._hub = hub
        hub.join(self.reader)
        # A feed that is dropped is left too.
        self._left = weakref.finalize(self, hub.leave, self.reader)
        self._left.atexit = False
        self._given: Event | None = None
        try:
            self.place = self.reader.begun()
            """What was processed last."""
        except BaseException:
            self._left()
            raise

    def __next__(self) -> Event:
        while (event := self.next_now()) is None:
            if self.is_closed:
                raise StopIteration
            self.reader.wait()
        return event

    def next_now(self) -> Event | None:
        """The next event if it is there; what was given before counts as processed.

        Raises:
            LogIsAnother: the log is not the one that was read before.
        """
        if self.is_closed:
            return None
        self._processed()
        if self._pid != os.getpid():
            # A fork follows by itself. The bookmark stays with the process that began.
            self._bookmark = None
            self._join(self.place)
        event, lost = self.reader.take()
        if lost is not None:
            self._lost(lost.message)
        if self.reader.is_hungry():
            self._hub.call()
        if event is None:
            self.place = self.reader.up_to() or self.place
        # While events are waiting, not after each: a disk has a hundred writes a second.
        if self._is_unsaved and (
            event is None or time.monotonic() > self._saved_at + _SAVE_SECONDS
        ):
            self.save_place()
        self._given = event
        return event

    def _processed(self) -> None:
        if self._given is not None:
            self.place, self._given, self._is_unsaved = self._given.place, None, True

    def save(self) -> None:
        """Counts what was given last as processed, and writes the bookmark now."""
        self._processed()
        self.save_place()

    def save_place(self) -> None:
        """Writes the bookmark now; what was given last does not count."""
        if self._bookmark is not None:
            self._bookmark.write(self.place, self._kept)
            self._kept = self.place
        self._is_unsaved, self._saved_at = False, time.monotonic()

    def close(self) -> None:
        """Ends the feed, for a thread that waits too. What was given last is not kept."""
        if not self.is_closed:
            self.is_closed = True
            self._left()
            self.reader.failed(StopIteration())
            self.save_place()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncFeed(AsyncIterator[Event]):
    """`Feed` for asyncio: waiting for an event takes no thread."""

    def __init__(self, opened: Callable[[], Feed]) -> None:
        self._open = opened
        self._feed: Feed | None = None
        self._ready = asyncio.Event()
        self._taking: asyncio.Future[Event | None] | None = None
        """What is being taken, or was taken for somebody who gave up waiting for it."""

    async def __anext__(self) -> Event:
        feed = await self._opened()
        while True:
            self._ready.clear()
            if (event := await self._taken(feed)) is not None:
                return event
            if feed.is_closed:
                raise StopAsyncIteration
            await self._ready.wait()

    async def _taken(self, feed: Feed) -> Event | None:
        """The next event. Who is cancelled meanwhile has not received it, and gets it next time."""
        if self._taking is None or self._taking.cancelled():
            self._taking = asyncio.ensure_future(asyncio.to_thread(feed.next_now))
        try:
            event = await asyncio.shield(self._taking)
        except Exception:
            self._taking = None
            raise
        self._taking = None
        return event

    async def _opened(self) -> Feed:
        if self._feed is None:
            self._feed = await asyncio.to_thread(self._open)
            loop = asyncio.get_running_loop()

            def ready() -> None:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(self._ready.set)

            self._feed.reader.on_ready = ready
        return self._feed

    async def save(self) -> None:
        """See `Feed.save`."""
        feed = await self._opened()
        if self._taking is None:
            await asyncio.to_thread(feed.save)
            return
        await asyncio.wait([self._taking])  # it is of an event that nobody has received so far
        await asyncio.to_thread(feed.save_place)

    async def aclose(self) -> None:
        """See `Feed.close`."""
        if self._feed is not None:
            await asyncio.to_thread(self._feed.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def follow(
    database: AtTarget, wanted: HistoryFilter, lost: Callable[[str], None] = lambda _: None
) -> Generator[Record, None, None]:
    """The newest matching events, and then each new event as it is appended, without end.

    Raises:
        AccountNotFound, ExchangeNotFound: see `history`.
        InvalidInput: DATABASE_URL_DIRECT is another database; `until` is given.
        DatabaseUnavailable: the database cannot be reached at the start.
        LogIsAnother: the log is not the one that was followed before.
    """
    if wanted.until is not None:
        raise InvalidInput("what is followed has no end, and until gives one")
    # It begins first: what is appended meanwhile comes from the feed.
    with Feed(database, wanted, lost=lost) as feed:
        begun_at = feed.place.position
        yield from (e for e in history(database, wanted) if e["position"] <= begun_at)
        for event in feed:
            yield event.record()
