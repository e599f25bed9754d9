"""A pool of connections, for programs that run long and may use several threads."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Final

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from registry.database.connection import Connection, address_of, check_schema, connection_options
from registry.database.opening import open_registry
from registry.database.target import Target
from registry.errors import DatabaseUnavailable

_IDLE_SECONDS: Final = 60.0
_WAIT_SECONDS: Final = 10.0


class PooledDatabase:
    """Connections that are opened when they are needed and closed when they are not."""

    def __init__(self, target: Target, *, size: int = 4) -> None:
        self._target = target
        self._size = size
        self._pool: ConnectionPool[psycopg.Connection[Any]] | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """See `Database.connection`."""
        pool = self._opened()
        try:
            connection = pool.getconn()
        except PoolTimeout:
            raise DatabaseUnavailable(
                f"no connection to the database was free within {_WAIT_SECONDS:.0f} seconds",
                hint="Check DATABASE_URL and the server.",
            ) from None
        try:
            yield connection
        finally:
            pool.putconn(connection)

    def close(self) -> None:
        """Closes all connections."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def _opened(self) -> "ConnectionPool[psycopg.Connection[Any]]":
        with self._lock:
            if self._pool is None:
                # The pool would only say "no connection in time"; this one says why.
                open_registry(self._target).close()
                url = address_of(self._target)
                self._pool = ConnectionPool(
                    url,
                    kwargs=connection_options(url),
                    configure=check_schema,
                    min_size=0,
                    max_size=self._size,
                    max_idle=_IDLE_SECONDS,
                    timeout=_WAIT_SECONDS,
                    open=True,
                )
            return self._pool
