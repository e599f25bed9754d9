"""Reads the log for one consumer, in the thread of the hub."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from registry.database.connection import Connection, is_standby
from registry.database.durability import wait_until_flushed
from registry.database.listening import News
from registry.database.patience import longest_wait
from registry.database.queries import load_queries, one_row
from registry.errors import DatabaseUnavailable, LogIsAnother, RegistryError
from registry.services.feed.events import Event, Place
from registry.services.reading.history import HistoryFilter, Record, event_reader

_QUERIES = load_queries("registry.services.feed", "feed.sql")
_STEP: Final = 1000
"""So many positions are read at once, and so many events wait for a consumer at most, twice."""


class Reader:
    """A `Listener` that has read events ready, as far as its consumer takes them."""

    def __init__(self, wanted: HistoryFilter, types: Sequence[str], start: Place | None) -> None:
        self.on_ready: Callable[[], None] = lambda: None
        """Called by the hub's thread when there is something to take."""
        self._wanted = wanted
        self._types = types
        self._start = start
        self._read: Callable[[Connection, int, int], list[Record]] | None = None
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        self._began: Place | None = None
        self._place: Place | None = None
        """Up to where it has read; None before it has begun."""
        self._lost: RegistryError | None = None
        self._ended: BaseException | None = None
        self._is_full = False
        self._is_lost = False
        """Whether the consumer is told already that there is no connection."""
        self._created = time.monotonic()

    # ------------------------------------------------------- in the consumer's thread

    def begun(self) -> Place:
        """Waits until it has begun, and returns where; errors as it is told by `failed`."""
        with self._changed:
            while self._began is None:
                if self._ended is not None:
                    raise self._ended
                self._changed.wait()
            return self._began

    def wait(self) -> None:
        """Waits until there is something to take."""
        with self._changed:
            while not (self._events or self._lost or self._ended):
                self._changed.wait()

    def take(self) -> tuple[Event | None, RegistryError | None]:
        """The next event, if there is one, and the error by which the connection was lost, if so.

        Raises:
            LogIsAnother: and what else ends the feed, once all events before it are taken.
        """
        with self._changed:
            lost, self._lost = self._lost, None
            if self._events:
                return self._events.popleft(), lost
            if self._ended is not None:
                raise self._ended
            return None, lost

    def up_to(self) -> Place | None:
        """Where all before was taken or did not match, if no event is waiting."""
        with self._changed:
            return None if self._events else self._place

    def is_hungry(self) -> bool:
        """Whether all that was read is taken, and there is more to read."""
        with self._changed:
            is_hungry = self._is_full and not self._events
            self._is_full = self._is_full and not is_hungry
            return is_hungry

    # ------------------------------------------------------- in the hub's thread

    def look(self, connection: Connection) -> News:
        """See `Listener`."""
        if self._read is None or self._place is None:
            self._read = event_reader(connection, self._wanted, self._types)
            place = self._beginning(connection)
            with self._changed:
                self._began = self._place = place
                self._changed.notify_all()
            return News.MORE
        with self._changed:
            self._is_full = len(self._events) >= _STEP
            if self._is_full:
                return News.NONE  # the consumer calls when it has taken them
        self._is_lost = False
        following, end = self._place.position + 1, _durable_end(connection, self._place)
        if following >= end:
            return News.NONE
        stop = min(following + _STEP, end)
        events = [Event(**row) for row in self._read(connection, following, stop)]
        is_last = bool(events) and events[-1].position == stop - 1
        place = events[-1].place if is_last else _place_at(connection, stop - 1)
        with self._changed:
            self._events.extend(events)
            self._place = place
            if events:
                self._changed.notify_all()
        if events:
            self.on_ready()
        return News.MORE if stop < end else News.SOME

    def _beginning(self, connection: Connection) -> Place:
        if self._start is None:
            return _place_at(connection, _durable_end(connection, Place(-1)) - 1)
        place, end = self._start, _durable_end(connection, self._start)
        if place.leaf_hash is None and 0 <= place.position < end:
            return _place_at(connection, place.position)
        return place

    def lost(self, error: RegistryError) -> None:
        """See `Listener`. Before it has begun, it is patient as everything that connects is."""
        waited = time.monotonic() - self._created
        passing = isinstance(error, DatabaseUnavailable) and error.passing
        if self._place is None and not (passing and waited < longest_wait()):
            self.failed(error)
            return
        with self._changed:
            is_told, self._is_lost = self._is_lost, True
            if not is_told and self._place is not None:
                self._lost = error
                self._changed.notify_all()
        self.on_ready()

    def failed(self, error: BaseException) -> None:
        """See `Listener`."""
        with self._changed:
            self._ended = error
            self._changed.notify_all()
        self.on_ready()


def _durable_end(connection: Connection, place: Place) -> int:
    """The size of the log, all of which no crash takes back.

    Raises:
        LogIsAnother: it is not the one of the place.
    """
    found = one_row(connection.execute(_QUERIES["end"], {"last": place.position}))
    size, leaf_hash, not_durable_before = found
    if place.position >= size and is_standby(connection):
        return int(size)  # it lags behind the one that was read before
    if place.position >= size or leaf_hash != (place.leaf_hash or leaf_hash):
        raise _another(place, size)
    if size > place.position + 1 and not_durable_before is not None:
        wait_until_flushed(connection, not_durable_before)
    return int(size)


def _place_at(connection: Connection, position: int) -> Place:
    if position < 0:
        return Place(-1)
    return Place(position, one_row(connection.execute(_QUERIES["leaf"], {"position": position}))[0])


def _another(place: Place, size: int) -> LogIsAnother:
    what = f"ends at {size - 1} now" if place.position >= size else "holds something else there now"
    return LogIsAnother(
        f"the log was read up to position {place.position}, and it {what}",
        hint="A backup was restored, or a failover lost the end of the log. What was read there "
        "has not happened in this log: compare, and begin again without the bookmark.",
    )
