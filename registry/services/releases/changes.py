"""Whether what an account resolves to has changed, for the bots of the account.

The database tells a digest for each exchange, and nothing else. A mark is these digests: it follows
from what the account resolves to alone, so it tells nothing of other accounts, and two marks of the
same state are equal, whatever happened between them.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Self

from registry.database.connection import Connection, Database, refuse_standby, registry_errors
from registry.database.durability import wait_until_durable
from registry.database.listening import CHANGES, News, hub_of
from registry.database.patience import patiently
from registry.database.queries import load_queries, read_rows
from registry.errors import InvalidInput, RegistryError
from registry.services.releases.resolution import Resolution, Wish, tell_causes

log = logging.getLogger("registry")

_QUERIES = load_queries("registry.services.releases", "releases.sql")
_NO_ACCOUNT: Final = ("account_not_found", "not_permitted")
_DIGITS: Final = 16
"""Of a digest: no two states of one account have the same, and nobody gains by finding two."""
_FULL_LOOKS: Final = 20


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs from a mark."""

    mark: str
    """The state now, for the next call. It is opaque, and may be kept in a file."""
    exchanges: tuple[str, ...]
    """The exchanges for which the account resolves to something else: new, replaced or gone."""
    stopped: bool
    """Whether the account can use nothing now, because of stops, rights or what it lacks."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The account whose changes are asked for, and which of its credentials."""

    account: str
    exchanges: Sequence[str] | None = None
    wish: Wish = Wish()  # noqa: RUF009 - it is frozen
    has_fallback: bool = False
    """Whether the environment may supply what the registry lacks."""


@dataclass(frozen=True, slots=True)
class _State:
    """What the account resolves to: exchange -> digest, of those that it can use."""

    outcome: str
    digests: Mapping[str, str]
    is_stopped: bool
    newest: str | None
    """Stands for the newest change in the whole registry, and tells nothing of it."""

    @classmethod
    def read(cls, connection: Connection, asked: Asked, before: Self | None = None) -> Self:
        """The state now, which a bot's login may read; cheap where it is still that of before."""
        refuse_standby(connection)
        parameters = {
            "account": asked.account,
            "exchanges": None if asked.exchanges is None else list(asked.exchanges),
            **asked.wish.parameters(),
            "newest": None if before is None else before.newest,
        }
        rows = read_rows(connection, _QUERIES["digests"], parameters)
        if before is not None and rows and rows[0]["outcome"] == "same":
            return before
        digests = {row["exchange"]: row["digest"][:_DIGITS] for row in rows if row["digest"]}
        first: dict[str, Any] = rows[0] if rows else {"outcome": "ok", "newest": None}
        lacks = not digests and bool(rows or not asked.has_fallback)
        return cls(first["outcome"], digests, lacks, first["newest"])

    @property
    def mark(self) -> str:
        """The digests as JSON; under no exchange's name, that there are none to use."""
        return json.dumps({**self.digests, **({"": "none"} if self.is_stopped else {})})

    def since(self, mark: str | None) -> Changes:
        """The difference from an earlier mark; without one, all is new.

        Raises:
            InvalidInput: the mark is none.
        """
        before = {} if mark is None else _digests_of(mark)
        names = sorted((before.keys() | self.digests.keys()) - {""})
        changed = (name for name in names if before.get(name) != self.digests.get(name))
        return Changes(self.mark, tuple(changed), self.is_stopped)


def _digests_of(mark: str) -> dict[str, str]:
    try:
        digests = json.loads(mark)
        if all(isinstance(digest, str) for digest in digests.values()):
            return dict(digests)
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise InvalidInput(
        "the mark is not one that changes_since returned",
        hint="Without a mark, all that the account has counts as new.",
    )


def changes_since(database: Database, asked: Asked, mark: str | None) -> Changes:
    """What differs from a mark now.

    Raises:
        AccountNotFound, NotPermitted: there is no mark, and the account cannot be asked about.
        InvalidInput: the mark is none.
        DatabaseUnavailable: no server answers.
    """

    def read() -> Changes:
        with database.connection() as connection, registry_errors(connection):
            return _told(connection, asked, mark, _State.read(connection, asked))

    return patiently(read)


def _told(connection: Connection, asked: Asked, mark: str | None, state: _State) -> Changes:
    if mark is None and state.outcome in _NO_ACCOUNT:
        refused: dict[str, Any] = {"outcome": state.outcome}
        tell_causes(connection, [refused])
        raise Resolution(account=asked.account, exchange=None, wish=asked.wish, **refused).error()
    changes = state.since(mark)
    if changes.mark != mark:
        wait_until_durable(connection)  # no crash takes back what is told
    return changes


class Waiting:
    """Waits until something differs from a mark. Those of one process share a connection."""

    def __init__(self, database: Database, asked: Asked, mark: str | None) -> None:
        self.changed: Future[Changes] = Future()
        """What differs, when something does; or the error that ends the waiting."""
        self._database = database
        self._asked = asked
        self._mark = mark
        self._last: Changes | RegistryError | None = None
        self._state: _State | None = None
        self._looks = 0
        self._hub = hub_of(database, CHANGES)
        self.changed.set_running_or_notify_cancel()  # who is told does not ask first

    def __enter__(self) -> Self:
        self._hub.join(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._hub.leave(self)

    def seen(self) -> Changes:
        """What is known if nothing has changed in time.

        Raises:
            DatabaseUnavailable: nothing is known, since no server answers.
        """
        if isinstance(self._last, RegistryError):
            raise self._last
        return self._last or changes_since(self._database, self._asked, self._mark)

    def look(self, connection: Connection) -> News:
        """See `Listener`."""
        # Now and then as if for the first time: a superuser may change tables without an event.
        self._looks += 1
        before = None if self._looks % _FULL_LOOKS == 0 else self._state
        self._state = _State.read(connection, self._asked, before)
        self._last = _told(connection, self._asked, self._mark, self._state)
        if self._last.mark != self._mark and not self.changed.done():
            self.changed.set_result(self._last)
        return News.NONE

    def lost(self, error: RegistryError) -> None:
        """See `Listener`."""
        if not isinstance(self._last, RegistryError):
            log.warning("following %s: %s; trying again", self._asked.account, error.message)
        self._last = error

    def failed(self, error: BaseException) -> None:
        """See `Listener`."""
        if not self.changed.done():
            self.changed.set_exception(error)
