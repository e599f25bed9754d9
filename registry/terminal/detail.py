"""What of the chosen row does not fit into the table."""

from typing import Final

from textual.content import Content
from textual.widgets import Static

from registry.terminal.table import PageTable

_LINES: Final = 2


class Detail(Static):
    """Some lines below the table."""

    DEFAULT_CSS = """
    Detail {
        height: 4; padding: 0 1; border-top: solid $primary 40%;
    }
    """

    def show(self, table: PageTable) -> None:
        """Shows what is left out or cut of the chosen row."""
        parts: list[tuple[str, str] | str] = []
        hidden = table.hidden()
        between = "\n" if len(hidden) <= _LINES else "  ·  "
        for heading, text in hidden:
            parts += [between] if parts else []
            parts += [(f"{heading}: ", "$dimmed"), text]
        self.update(Content.assemble(*parts))
