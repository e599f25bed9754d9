"""What every page of the screen has: it reads when it is shown, and says what is the matter."""

from collections.abc import Callable
from typing import Any

from textual.screen import Screen

from registry.errors import DatabaseUnavailable, RegistryError
from registry.terminal.status import Status
from registry.terminal.title import Title


class Page(Screen[None]):
    """A screen that shows something read from the registry."""

    def request(self) -> Callable[[], Any]:
        """The read, for another thread."""
        raise NotImplementedError

    def take(self, value: Any) -> None:
        """Shows what was read."""
        raise NotImplementedError

    def fail(self, error: RegistryError) -> None:
        """Says why nothing was read; what was shown stays."""
        if isinstance(error, DatabaseUnavailable):
            self.away(error.message)
        else:
            self.query_one(Status).fail(error)

    def away(self, why: str) -> None:
        """Says that the database is away, and that what is shown is old."""
        self.query_one(Status).fail(f"The database is away: {why}. Trying again; this is old.")

    def on_mount(self) -> None:
        """Says what it does first."""
        self.query_one(Title).show(None)
        self.query_one(Status).say("Reading …")

    def on_screen_resume(self) -> None:
        """Reads when it is shown, or shown again."""
        self.app.call_later(self.app.read)  # type: ignore[attr-defined]
