"""The last line: the keys, which can be clicked too."""

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static


class Keys(Static):
    """Keys and what they do; those that do not fit are in the help."""

    DEFAULT_CSS = """
    Keys {
        height: 1; padding: 0 1;
        link-style: none; link-color: $foreground 75%;
        link-background-hover: $panel; link-color-hover: $foreground; link-style-hover: none;
    }
    """

    def __init__(self, keys: Sequence[tuple[str, str, str]]) -> None:
        """Each is the key, what it does, and the action."""
        super().__init__()
        self._keys = keys

    def on_resize(self) -> None:
        """Shows as many as fit."""
        room, parts = self.size.width, list[str]()
        for key, does, action in self._keys:
            room -= len(key) + len(does) + 3
            if room + 2 >= 0:
                parts.append(f"[@click={action}][bold]{key}[/] {does}[/]")
        self.update(Content.from_markup("  ".join(parts)))
