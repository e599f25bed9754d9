"""Connections for long-running programs, which may use several threads."""

import contextlib
import functools
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from psycopg.pq import TransactionStatus

from registry.database.connection import Connection
from registry.database.opening import open_once
from registry.database.patience import Notice, patiently
from registry.database.target import Target
from registry.errors import DatabaseUnavailable

_PLACES: Final = 4


class PooledDatabase:
    """Connections that are opened on demand, and closed when they are unused.

    A server has a hundred connections, and there may be a thousand bots. So one process has
    few connections open at once, however many threads and objects it has. After its work a
    connection is kept open for `keep` seconds, for the next piece of work.
    """

    def __init__(self, target: Target, *, keep: float = 0, notice: Notice = lambda _: None) -> None:
        self.target = target
        self._keep = keep
        self._notice = notice
        self._kept: dict[Connection, threading.Timer] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """See `Database.connection`."""
        door = _door(self.target.url)
        connection = patiently(lambda: door.enter(self._opened), self._notice)
        try:
            yield connection
        except DatabaseUnavailable as error:
            door.remember(error)
            raise
        finally:
            self._give_back(connection)
            door.leave()

    def close(self) -> None:
        """Closes all connections that are not in use."""
        while (connection := self._kept_one()) is not None:
            connection.close()

    def _opened(self) -> Connection:
        while (connection := self._kept_one()) is not None:
            if not _has_ended(connection):
                return connection
            connection.close()
        return open_once(self.target, self._notice)

    def _kept_one(self) -> Connection | None:
        with self._lock:
            if not self._kept:
                return None
            connection, timer = self._kept.popitem()
        timer.cancel()
        return connection

    def _give_back(self, connection: Connection) -> None:
        idle = connection.info.transaction_status == TransactionStatus.IDLE
        if not self._keep or not idle:
            connection.close()
            return
        timer = threading.Timer(self._keep, self._close_kept, [connection])
        timer.daemon = True
        with self._lock:
            self._kept[connection] = timer
        timer.start()

    def _close_kept(self, connection: Connection) -> None:
        with self._lock:
            unused = self._kept.pop(connection, None)
        if unused is not None:
            connection.close()


class _Door:
    """Limits the connections of this process to one database."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(_PLACES)
        self._silence: tuple[float, DatabaseUnavailable] | None = None
        """The time of the last wait in vain for a silent server, and its error."""

    def enter(self, open_connection: Callable[[], Connection]) -> Connection:
        came = time.monotonic()
        self._places.acquire()
        try:
            return self._open(open_connection, came)
        except BaseException:
            self.leave()
            raise

    def _open(self, open_connection: Callable[[], Connection], came: float) -> Connection:
        # Another thread has waited in vain meanwhile: this one does not wait once more.
        if self._silence is not None and self._silence[0] >= came:
            raise self._silence[1]
        try:
            return open_connection()
        except DatabaseUnavailable as error:
            self.remember(error)
            raise

    def leave(self) -> None:
        self._places.release()

    def remember(self, error: DatabaseUnavailable) -> None:
        if error.silence:
            self._silence = time.monotonic(), error


@functools.cache
def _door(_address: str | None) -> _Door:
    return _Door()


# A process that was forked while all places were taken would wait for threads that it lacks.
os.register_at_fork(after_in_child=_door.cache_clear)


def _has_ended(connection: Connection) -> bool:
    # On an idle connection the only message of a server is the end of the session.
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))
