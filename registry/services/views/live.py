"""Tells a face that there is something new in the log, so that it reads its view again."""

from collections.abc import Callable

from registry.database.connection import Connection
from registry.database.listening import LOG, News, hub_of
from registry.database.opening import AtTarget
from registry.errors import RegistryError
from registry.log.reading import log_size


class Live:
    """Watches the log until it is closed. Its functions are called by a thread, and must be short.

    It is a `Listener` of the hub of this process, so many of them share one connection.
    """

    def __init__(
        self, database: AtTarget, changed: Callable[[], None], lost: Callable[[RegistryError], None]
    ) -> None:
        """`changed` is also called when the database is back, `lost` when it is away."""
        self._changed = changed
        self._lost = lost
        self._size: int | None = None
        self._hub = hub_of(database, LOG)
        self._hub.join(self)

    def look(self, connection: Connection) -> News:
        """See `Listener`."""
        size = log_size(connection)
        if size == self._size:
            return News.NONE
        self._size = size
        self._changed()
        return News.SOME

    def lost(self, error: RegistryError) -> None:
        """See `Listener`. The next look tells that it is back."""
        self._size = None
        self._lost(error)

    def failed(self, error: BaseException) -> None:
        """See `Listener`. The face goes on with the clock."""
        if isinstance(error, RegistryError):
            self.lost(error)

    def close(self) -> None:
        """Tells nothing any more."""
        self._hub.leave(self)
