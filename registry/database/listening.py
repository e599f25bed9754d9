"""Waiting for changes: one connection and one thread for each process, database and channel.

Whoever waits joins the hub of its channel. The hub's thread lets each of them look when there may
be something new: after a message of the database, and now and then in case one was lost. A lost
connection is opened again, and all of them look again. Where a pooler lends no session, nobody
can wake the hub, so it looks at intervals; and so at a standby, which sends no messages.
"""

import contextlib
import enum
import os
import select
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from registry.database.connection import (
    Connection,
    Database,
    check_schema,
    is_standby,
    refuse_standby,
    registry_errors,
)
from registry.database.opening import open_once
from registry.database.patience import APART
from registry.database.pooler import connect_directly, lends_transactions
from registry.database.queries import load_queries, one_row
from registry.errors import DatabaseUnavailable, RegistryBusy, RegistryError, ServerFailing

_LISTEN = load_queries("registry.database", "listening.sql")
_LOCKS = load_queries("registry.database", "locks.sql")
_PASSING: Final = (DatabaseUnavailable, RegistryBusy, ServerFailing)
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts to connect, each times a random number below two."""
_POLL_SECONDS: Final = 5.0
"""How often the hub looks without a message."""
_RETRY_SECONDS: Final = 0.05
"""How soon the lock is tried again that makes the database send messages; twice that next time."""
_DOUBLINGS: Final = 5
_AWAKE_SECONDS: Final = 0.5
"""So long after the last news the hub looks by itself, and lets the database send no messages."""
_LOOK_SECONDS: Final = 0.1
"""How often it looks then. In a busy log a message for each append would cost all of them much."""
_SETTLING_SECONDS: Final = 0.03
"""At most so long after a message everybody looks: not all at once, nor before it is on disk."""
_LINGER_SECONDS: Final = 5.0
"""How long an unused connection is kept for whoever comes next."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What is waited for."""

    name: str
    """The statement that listens."""
    lock: int
    """Sessions that hold this advisory lock make the database send messages."""
    ask_seconds: float
    """How often to look where nobody can wake the hub; each time 2/3 to 4/3 of it."""


LOG: Final = Channel("log", 7234117009, 1.0)
CHANGES: Final = Channel("changes", 7234117011, 1.2)


class News(enum.Enum):
    """What a look has found."""

    NONE = enum.auto()
    SOME = enum.auto()
    MORE = enum.auto()
    """And there is more to read at once."""


class Listener(Protocol):
    """Waits for a change. The hub's thread calls its methods, which never wait for others."""

    def look(self, connection: Connection) -> News:
        """Reads what is new, and says whether there was any."""

    def lost(self, error: RegistryError) -> None:
        """The connection was lost, or could not be opened; another attempt follows."""

    def failed(self, error: BaseException) -> None:
        """It is not served any more, because of this error."""


class Hub:
    """Serves the listeners of one channel of a database, while there are any."""

    def __init__(self, database: Database, channel: Channel) -> None:
        self._database = database
        self._channel = channel
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._bell: _Bell | None = None
        """The thread's, while there is one."""
        self._failures = 0

    def join(self, listener: Listener) -> None:
        """Serves a listener from now on. It looks at once."""
        with self._lock:
            self._listeners.append(listener)
            if self._bell is None:
                self._bell = _Bell()
                name = f"account-registry {self._channel.name}"
                threading.Thread(
                    target=self._run, args=(self._bell,), name=name, daemon=True
                ).start()
        self.call()

    def leave(self, listener: Listener) -> None:
        """Serves it no more; it may have left already."""
        with self._lock, contextlib.suppress(ValueError):
            self._listeners.remove(listener)

    def call(self) -> None:
        """Lets all listeners look soon."""
        with self._lock:
            if self._bell is not None:
                self._bell.ring()

    def _run(self, bell: "_Bell") -> None:
        while not self._has_ended():
            try:
                with _session(self._database) as connection, registry_errors(connection):
                    self._serve(connection, bell)
            except _PASSING as error:
                for listener in self._present():
                    listener.lost(error)
                pause = _PAUSES[min(self._failures, len(_PAUSES) - 1)]
                self._failures += 1
                bell.heard(APART.uniform(0, 2 * pause))
            except BaseException as error:  # noqa: BLE001 - who waits must be told of any error
                for listener in self._present():
                    self._drop(listener, error)

    def _has_ended(self) -> bool:
        with self._lock:
            if not self._listeners and self._bell is not None:
                self._bell.close()
                self._bell = None
            return self._bell is None

    def _present(self) -> list[Listener]:
        with self._lock:
            return list(self._listeners)

    def _drop(self, listener: Listener, error: BaseException) -> None:
        self.leave(listener)
        listener.failed(error)

    def _serve(self, connection: Connection, bell: "_Bell") -> None:
        at_standby = is_standby(connection)
        if at_standby and getattr(connection, "is_one_of_several", False):
            refuse_standby(connection)  # another of them is the primary, or will be
        listens = not at_standby and not lends_transactions(connection)
        if listens:
            connection.execute(_LISTEN[self._channel.name])
        is_announced, used, awake_until, refused = not listens, time.monotonic(), 0.0, 0
        while self._present() or time.monotonic() < used + _LINGER_SECONDS:
            is_awake = listens and time.monotonic() < awake_until
            # Before anybody looks, so that each later append sends a message.
            if listens and is_announced == is_awake:
                is_announced = self._announce(connection, to_be_told=not is_awake)
                refused = 0 if is_announced or is_awake else refused + 1
            present = self._present()
            used = time.monotonic() if present else used
            news = [self._look(listener, connection) for listener in present]
            if News.MORE in news:
                continue
            self._failures = 0
            if at_standby and not is_standby(connection):
                return  # it was promoted, and sends messages now
            if is_awake:
                bell.heard(APART.uniform(0.7, 1.3) * _LOOK_SECONDS)
            elif bell.message(connection, self._patience(listens, refused)):
                awake_until = time.monotonic() + _AWAKE_SECONDS
            if News.SOME in news:
                awake_until = time.monotonic() + _AWAKE_SECONDS

    def _announce(self, connection: Connection, *, to_be_told: bool) -> bool:
        """Whether the database sends messages to this session from now on."""
        name = "follow" if to_be_told else "follow_silently"
        (is_told,) = one_row(connection.execute(_LOCKS[name], {"lock": self._channel.lock}))
        return bool(is_told)

    def _look(self, listener: Listener, connection: Connection) -> "News":
        try:
            with registry_errors(connection):
                return listener.look(connection)
        except _PASSING:
            raise
        except Exception as error:
            if connection.closed:
                raise
            self._drop(listener, error)
            return News.NONE

    def _patience(self, listens: bool, refused: int) -> float:
        if not listens:
            share = APART.uniform(2 / 3, 4 / 3)
            return self._channel.ask_seconds * share
        # An append has the lock for moments. Any login can keep it, and is not to make all of them
        # ask twenty times a second.
        return _RETRY_SECONDS * 2 ** min(refused - 1, _DOUBLINGS) if refused else _POLL_SECONDS


class _Bell:
    """Wakes the thread of a hub."""

    def __init__(self) -> None:
        self._called, self._call = socket.socketpair()
        self._call.setblocking(False)

    def ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it was rung often, and not heard so far
            self._call.send(b"!")

    def heard(self, seconds: float, *files: int) -> bool:
        """Waits so long for a call, or until one of the files is readable: then it is true."""
        events = select.poll()
        for file in (self._called.fileno(), *files):
            events.register(file, select.POLLIN)
        ready = {file for file, _ in events.poll(int(seconds * 1000))}
        if self._called.fileno() in ready:
            self._called.recv(4096)
        return not ready.isdisjoint(files)

    def message(self, connection: Connection, seconds: float) -> bool:
        """Waits so long for a call or a message of the database; whether there was a message."""
        # The driver keeps those that came together with an answer.
        if not list(connection.notifies(timeout=0)) and not self.heard(
            seconds, connection.fileno()
        ):
            return False
        time.sleep(APART.uniform(0, _SETTLING_SECONDS))
        for _ in connection.notifies(timeout=0):
            pass
        return True

    def close(self) -> None:
        self._called.close()
        self._call.close()


_hubs: weakref.WeakValueDictionary[tuple[Any, ...], Hub] = weakref.WeakValueDictionary()
_hubs_lock = threading.Lock()


def hub_of(database: Database, channel: Channel) -> Hub:
    """The hub of this process for a channel of a database."""
    target = getattr(database, "target", None)
    key = (channel.name, *((target.url, target.direct) if target else (id(database),)))
    with _hubs_lock:
        return _hubs.setdefault(key, Hub(database, channel))


def _forget() -> None:
    # The threads of a process do not live on in its forks, and a connection is not shared with one.
    global _hubs, _hubs_lock
    _hubs, _hubs_lock = weakref.WeakValueDictionary(), threading.Lock()


os.register_at_fork(after_in_child=_forget)


@contextlib.contextmanager
def _session(database: Database) -> Iterator[Connection]:
    """A connection with a session of its own, if there is an address for that."""
    target = getattr(database, "target", None)
    if target is None:
        with database.connection() as connection:
            yield connection
        return
    if target.direct is None:
        opened = open_once(target, lambda _: None)
    else:
        opened = connect_directly(target)
    with opened as connection:
        if target.direct is not None:
            with registry_errors(connection):
                check_schema(connection)
        yield connection
