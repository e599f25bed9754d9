"""Problems that only files beside the database tell: checkpoints, and consumers of the log."""

import datetime as dt
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Files:
    """The files to look at."""

    bookmarks: Sequence[Path] = ()
    """One of each consumer of the log."""
    checkpoints: Path | None = None
    """Signed checkpoints; by default the last one that was signed on this machine."""

    def covered(self) -> int | None:
        """How many events a known checkpoint covers; None if none is known.

        Raises:
            InvalidInput, InvalidProof: the file cannot be read, or this key did not sign it.
        """
        try:
            known = known_checkpoints(self.checkpoints, None)
        except CheckpointKeyMissing:
            return None
        return max((checkpoint.size for checkpoint in known), default=None)

    @staticmethod
    def next_position(path: Path) -> int:
        """The position of the first event that a consumer has not read.

        Who has written no file so far has read nothing.

        Raises:
            InvalidInput: its file cannot be read, or is no bookmark.
        """
        if not os.path.lexists(path):
            return 0
        try:
            found = json.loads(text_of_file(path, limit=_MAX_BYTES))["position"]
        except (ValueError, KeyError, TypeError):
            found = None
        if type(found) is not int or found < -1:
            raise InvalidInput(f"{shown(path)} is no bookmark of a consumer of the log")
        return found + 1

    def uncovered(self, connection: Connection) -> Iterator[Problem]:
        """Whether events older than a day are not in a checkpoint that is known here."""
        covered = self.covered()
        size = covered or 0
        row = connection.execute(_QUERIES["recorded_at"], {"position": size}).fetchone()
        if row is None or row[1] <= _COVERED:
            return
        recorded, _ = row
        last = "none is known here"
        if covered is not None:
            last = f"the last one covers {counted(size, 'event')}"
        yield Problem(
            kind="no_checkpoint",
            text=f"no checkpoint covers what is older than a day: {last}, "
            f"and event {size} is of {utc_text(recorded)[:19]}Z",
            hint=Hint("Sign one, every hour by a timer: ", Command("checkpoint")),
            since=recorded + _COVERED,
        )

    def lagging(self, connection: Connection) -> Iterator[Problem]:
        """The consumers that have not read events for minutes."""
        size = log_size(connection) if self.bookmarks else 0
        for path in self.bookmarks:
            position = self.next_position(path)
            row = connection.execute(_QUERIES["recorded_at"], {"position": position}).fetchone()
            if row is None or row[1] <= _READ:
                continue
            unread = counted(size - position, "event")
            yield Problem(
                kind="lag",
                text=f"the consumer of {path.name} has not read {unread}",
                hint=Hint("See whether it runs; it reads on by itself."),
                since=row[0],
                about=str(path),
            )


NO_FILES: Final = Files()
"""Those that are known without being named."""
