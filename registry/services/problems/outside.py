"""Problems that only files beside the database tell: checkpoints, and consumers of the log."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.errors import CheckpointKeyMissing, InvalidInput
from registry.events.stored import utc_text
from registry.hints import Command, Hint
from registry.log.reading import log_size
from registry.machine import text_of_file
from registry.plurals import counted
from registry.services.audit.checkpoints import known_checkpoints
from registry.services.problems.kinds import Problem
from registry.shown import shown

_QUERIES = load_queries("registry.services.problems", "problems.sql")
_COVERED: Final = dt.timedelta(days=1)
_MAX_BYTES: Final = 4 * 1024 * 1024
_READ: Final = dt.timedelta(minutes=5)


def uncovered(connection: Connection, checkpoints: Path | None) -> Iterator[Problem]:
    """Whether events older than a day are not in a checkpoint that is known here."""
    try:
        known = known_checkpoints(checkpoints, None)
    except CheckpointKeyMissing:
        known = []
    size = max((checkpoint.size for checkpoint in known), default=0)
    row = connection.execute(_QUERIES["recorded_at"], {"position": size}).fetchone()
    if row is None or row[1] <= _COVERED:
        return
    recorded, _ = row
    first = f"the last one covers {counted(size, 'event')}" if known else "none is known here"
    yield Problem(
        kind="no_checkpoint",
        text=f"no checkpoint covers what is older than a day: {first}, "
        f"and event {size} is of {utc_text(recorded)[:19]}Z",
        hint=Hint("Sign one, every hour by a timer: ", Command("checkpoint")),
        since=recorded + _COVERED,
    )


def next_position(path: Path) -> int:
    """The position of the first event that a consumer has not read, by its file.

    Raises:
        InvalidInput: it cannot be read, or is no bookmark.
    """
    try:
        found = json.loads(text_of_file(path, limit=_MAX_BYTES))["position"]
    except (ValueError, KeyError, TypeError):
        found = None
    if type(found) is not int or found < -1:
        raise InvalidInput(f"{shown(path)} is no bookmark of a consumer of the log")
    return found + 1


def lagging(connection: Connection, bookmarks: Sequence[Path]) -> Iterator[Problem]:
    """The consumers of these bookmark files that have not read events for minutes."""
    size = log_size(connection) if bookmarks else 0
    for path in bookmarks:
        position = next_position(path)
        row = connection.execute(_QUERIES["recorded_at"], {"position": position}).fetchone()
        if row is None or row[1] <= _READ:
            continue
        yield Problem(
            kind="lag",
            text=f"the consumer of {path.name} has not read {counted(size - position, 'event')}",
            hint=Hint("See whether it runs; it reads on by itself."),
            since=row[0],
            about=str(path),
        )
