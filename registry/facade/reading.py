"""The history, and what follows it: `Registry.history`, `follow` and `feed`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from registry.facade.checking import checked
from registry.facade.context import Context, log
from registry.facade.given import Only, optional_path, wanted
from registry.services.feed.events import Bookmark, Place

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from registry.services.feed.feed import Feed
    from registry.services.reading.history import Record


@checked
class Reading:
    """A part of `Registry`: what has happened, and what happens."""

    _context: Context

    def history(self, account: str | None = None, **only: Unpack[Only]) -> "list[Record]":
        """The newest matching events, oldest first, with actor, time and reason.

        With `account`, only events of the account that has this name, or was the last to have it.
        """
        from registry.services.reading.history import history

        return history(self._context, wanted(account, only))

    def stream_history(
        self, account: str | None = None, **only: Unpack[Only]
    ) -> "Iterator[Record]":
        """Yields the events of `history` one by one, so that a long answer needs little memory."""
        from registry.services.reading.history import stream_history

        return stream_history(self._context, wanted(account, only))

    def follow(
        self,
        account: str | None = None,
        *,
        lost: Callable[[str], None] = log.warning,
        **only: Unpack[Only],
    ) -> "Generator[Record, None, None]":
        """Yields `history` and then each new event; `lost` is called for each lost connection."""
        from registry.services.feed.feed import follow

        return follow(self._context, wanted(account, only), lost)

    def feed(
        self,
        account: str | None = None,
        *,
        exchange: str | None = None,
        types: Sequence[str] = (),
        after: Place | int | None = None,
        bookmark: Path | str | None = None,
        lost: Callable[[str], None] = log.warning,
    ) -> "Feed":
        """Iterates over the durable events of the log in order, none missed, old and then new ones.

        It begins `after` a position or an event's `place`, by default at the end of the log; -1
        is before the first event. A file `bookmark` that is there goes before that. It keeps the
        place when the next event is asked for: an event may come again after a crash. A lost
        connection is opened again, and `lost` is called. Feeds of one process share a connection.

        Raises:
            LogIsAnother: the log is not the one that was read before, also later: it was restored,
                or a failover lost its end.
            AccountNotFound, ExchangeNotFound, InvalidInput: as `history`, and for the bookmark.
        """
        from registry.services.feed.feed import Feed

        self._context.check_open()
        path = optional_path(bookmark)
        feed = Feed(
            self._context,
            wanted(account, {"exchange": exchange}),
            types=types,
            after=after,
            bookmark=None if path is None else Bookmark(path),
            lost=lost,
        )
        self._context.feeds.add(feed)
        return feed
