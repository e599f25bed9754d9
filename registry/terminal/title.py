"""The first line: what this is, and as of when."""

import datetime as dt

from textual.content import Content
from textual.widgets import Static


class Title(Static):
    """The program's name, and when its figures were read."""

    DEFAULT_CSS = "Title { height: 1; padding: 0 1; background: $primary 25%; }"

    def __init__(self) -> None:
        super().__init__()
        self._read_at: dt.datetime | None = None
        self._what = "Account Registry"

    def show(self, read_at: dt.datetime | None, name: str | None = None) -> None:
        """Says when it was read."""
        self._read_at = read_at
        self._what = name or self._what
        self._draw()

    def on_resize(self) -> None:
        """Puts the time to the right again."""
        self._draw()

    def _draw(self) -> None:
        as_of = (
            "" if self._read_at is None else f"as of {self._read_at.astimezone(dt.UTC):%H:%M:%S}Z"
        )
        room = self.size.width - len(as_of)
        name = self._what if len(self._what) < room else self._what[: max(0, room - 1)]
        self.update(Content.assemble((name.ljust(room), "bold"), (as_of, "$dimmed")))
