"""Connections that detect a silent server.

TCP detects a lost machine, but not a proxy that keeps a connection open and forwards nothing.
And a statement may take any time. So after some seconds of silence, a second connection asks
the server whether it is at work for the first.
"""

import contextlib
import select
import time
from collections.abc import Generator, Iterator
from typing import Any, ClassVar, Final, NoReturn, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.waiting import Wait

from registry.database.patience import longest_wait, remark
from registry.database.queries import load_queries, one_row

_QUERIES = load_queries("registry.database")
_PROBE_CONNECTS = 5
_GRACE_MILLISECONDS = 500

_Result = TypeVar("_Result")


_QUEUED: Final = (
    "connections are accepted and not served, as by a pooler that is full, paused or cut off"
)


class ServerSilent(psycopg.OperationalError):
    """The connection is dead, although neither side has closed it."""

    def __init__(self, seconds: float, *, queued: bool = False) -> None:
        why = f"; {_QUEUED}" if queued else ""
        super().__init__(f"the server has not answered for {seconds:.0f} seconds{why}")
        self.seconds = seconds


class _Attentive(psycopg.Connection[Any]):
    """Every wait of the driver goes through `wait`: statements, pipelines and COPY."""

    patience: ClassVar[float]
    """Seconds of silence after which the connection is checked."""
    _queued = False
    """Whether the last check was accepted and not answered, as a pooler does that is full."""

    def wait(self, gen: Generator[Any, Any, _Result], *arguments: Any, **options: Any) -> _Result:
        _ = self.pgconn.socket  # raises if it is closed, before anything is begun
        try:
            wanted = next(gen)
        except StopIteration as done:  # no wait was needed
            result: _Result = done.value
            return result
        return super().wait(self._listening(gen, wanted), *arguments, **options)

    def _listening(
        self, gen: Generator[Any, Any, _Result], wanted: Any
    ) -> Generator[Any, Any, _Result]:
        """Passes the steps on; the driver's loop reports silence ten times a second."""
        heard = quiet_since = time.monotonic()
        try:
            while True:
                ready = yield wanted
                now = time.monotonic()
                if ready:
                    heard = quiet_since = now
                elif now - quiet_since > self.patience:
                    if self._is_dead(wanted, now - heard):
                        self._give_up(gen, time.monotonic() - heard)
                    quiet_since = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as done:
            result: _Result = done.value
            return result

    def _give_up(self, gen: Generator[Any, Any, Any], seconds: float) -> NoReturn:
        self.close()
        silent = ServerSilent(seconds, queued=self._queued)
        # A waiting pipeline tries to clean up, and finds the connection closed.
        with contextlib.suppress(psycopg.Error, StopIteration):
            gen.throw(silent)
        raise silent

    def _is_dead(self, _wanted: int, _seconds: float) -> bool:
        return True


class _Probe(_Attentive):
    """A connection for one short question."""

    patience = 4


class WatchedConnection(_Attentive):
    """A connection on which a statement may take as long as the server is at work for it."""

    patience = 5
    is_one_of_several = False
    """Whether its address names other servers too."""
    is_pooled: bool | None = None
    """Whether a pooler is between this program and the server; None: not asked so far."""

    @contextlib.contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[psycopg.Transaction]:
        """As the driver's; a transaction through a pooler has the limit that sessions have."""
        is_outermost = self.info.transaction_status == TransactionStatus.IDLE
        with super().transaction(savepoint_name, force_rollback) as transaction:
            if is_outermost:
                self.limit_waits()
            yield transaction

    def limit_waits(self) -> None:
        """Sets the limit for the current transaction, if a pooler lends it its session."""
        if self.is_pooled:
            self.execute(_QUERIES["limit_waits"])

    def _is_dead(self, wanted: int, seconds: float) -> bool:
        # Between statements a server is silent, for instance while the client awaits a NOTIFY.
        if self.info.transaction_status != TransactionStatus.ACTIVE:
            return False
        self._queued = False
        try:
            with probing(self) as probe:
                self._queued = True
                is_dead = self._is_dead_for(probe, wanted)
                self._queued = False
                return is_dead
        except psycopg.OperationalError as error:
            if self._queued:
                remark(f"Waiting: {_QUEUED}")
                return seconds > longest_wait()
            # A server that refuses, for instance because it is full, is alive. Its state of
            # work is unknown, so it gets more time.
            return "FATAL" not in str(error)

    def _is_dead_for(self, probe: psycopg.Connection[Any], wanted: int) -> bool:
        session = {"pid": self.info.backend_pid, "seconds": self.patience / 2}
        (at_work,) = one_row(probe.execute(_QUERIES["at_work"], session))
        # An answer that comes just now was under way during the probe.
        if at_work or _ready(self.fileno(), wanted):
            return False
        # The session waits in vain, and other sessions may wait for a lock that it holds.
        with contextlib.suppress(psycopg.Error):
            probe.execute(_QUERIES["end_session"], session)
        return True


@contextlib.contextmanager
def probing(connection: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """Another connection to the same server, which waits some seconds for an answer."""
    address = make_conninfo(address_of_same_server(connection), connect_timeout=_PROBE_CONNECTS)
    with _Probe.connect(address, autocommit=True, prepare_threshold=None) as probe:
        yield probe


def _ready(file: int, wanted: int) -> bool:
    waiting = select.poll()
    reads, writes = bool(wanted & Wait.R), bool(wanted & Wait.W)
    waiting.register(file, reads * select.POLLIN | writes * select.POLLOUT)
    return bool(waiting.poll(_GRACE_MILLISECONDS))


def address_of_same_server(connection: psycopg.Connection[Any], database: str | None = None) -> str:
    """The address of the one server that the connection has reached, of several in its address.

    `database` is the database there, by default the connection's. The address holds the
    password, so it must not be shown.
    """
    info = connection.info
    reached = {"host": info.host, "port": str(info.port), "dbname": database or info.dbname}
    if info.password:
        reached["password"] = info.password
    return make_conninfo(**{**info.get_parameters(), **reached})
