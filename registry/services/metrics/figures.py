"""Reads the figures, and how often: whoever asks too often gets those of a moment ago."""

import datetime as dt
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from registry.clock import now
from registry.database.connection import Connection, check_schema, connect_once, registry_errors
from registry.database.queries import load_queries, one_row
from registry.database.snapshot import one_moment
from registry.database.target import Target
from registry.errors import RegistryError
from registry.services.problems.finding import found_within
from registry.services.problems.kinds import Problem
from registry.services.problems.outside import Files

_QUERIES = load_queries("registry.services.metrics", "metrics.sql")
_LEAST_SECONDS: Final = 5.0
_SHARE: Final = 0.02
"""How much of the time may be spent with reading, at most."""


class AccountFigures(NamedTuple):
    """What an account has."""

    name: str
    is_active: bool
    open_positions: int
    exposure_usd: Decimal
    max_positions: Decimal | None
    max_exposure_usd: Decimal | None


class CredentialFigures(NamedTuple):
    """A credential in its slot."""

    account: str
    exchange: str
    subaccount: int | None
    permission: str
    is_active: bool
    expires_at: dt.datetime | None
    last_released: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is known of the registry at a moment."""

    events: int
    newest_event: dt.datetime | None
    shares: int
    stops: int
    migration: int
    accounts: Sequence[AccountFigures]
    credentials: Sequence[CredentialFigures]
    problems: Sequence[Problem]
    covered: int | None
    """The events that a checkpoint covers, as far as one is known here."""
    unread: dict[str, int]
    """Consumer -> the number of events that it has not read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An attempt to read the figures."""

    figures: Figures | None
    seconds: float
    error: RegistryError | None = None
    at: dt.datetime = field(default_factory=now)


class Reader:
    """Reads the figures of a database; several threads may ask."""

    def __init__(self, target: Target, files: Files) -> None:
        """Looks at the files, so that a wrong one is told.

        Raises:
            InvalidInput, InvalidProof: a file cannot be read, or is something else.
        """
        files.covered()
        for path in files.bookmarks:
            files.next_position(path)
        self._target = target
        self._files = files
        self._lock = threading.Lock()
        self._last: Reading | None = None
        self._next = 0.0

    def read(self) -> Reading:
        """The figures; those of the last reading while a new one would be too soon."""
        with self._lock:
            if self._last is None or time.monotonic() >= self._next:
                self._last = self._fresh()
                pause = max(_LEAST_SECONDS, self._last.seconds / _SHARE)
                self._next = time.monotonic() + pause
            return self._last

    def _fresh(self) -> Reading:
        started = time.monotonic()
        figures, failed = None, None
        try:
            # A connection for each reading: none is kept, and none that went silent is met again.
            with connect_once(self._target) as connection, registry_errors(connection):
                check_schema(connection)
                figures = figures_of(connection, self._files)
        except RegistryError as error:
            failed = error
        return Reading(figures, time.monotonic() - started, failed)


def figures_of(connection: Connection, files: Files) -> Figures:
    """The figures of one moment."""
    with one_moment(connection):
        events, newest, shares, stops, migration = one_row(connection.execute(_QUERIES["state"]))
        return Figures(
            events=events,
            newest_event=newest,
            shares=shares,
            stops=stops,
            migration=migration,
            accounts=[AccountFigures(*row) for row in connection.execute(_QUERIES["accounts"])],
            credentials=[
                CredentialFigures(*row) for row in connection.execute(_QUERIES["credentials"])
            ],
            problems=found_within(connection, files),
            covered=files.covered(),
            unread={
                name: events - files.next_position(path)
                for name, path in _names(files.bookmarks).items()
            },
        )


def _names(bookmarks: Sequence[Path]) -> dict[str, Path]:
    """The bookmarks by their file's name; by their path, where files of two folders share one."""
    shared = Counter(path.name for path in bookmarks)
    return {path.name if shared[path.name] == 1 else str(path): path for path in bookmarks}
