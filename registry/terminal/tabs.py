"""The views as tabs, by number or click."""

from collections.abc import Sequence
from typing import Final

from textual.content import Content
from textual.widgets import Static

from registry.services.views.described import PROBLEMS, VIEWS, View

ORDER: Final[Sequence[View]] = (PROBLEMS, *(v for v in VIEWS.values() if v is not PROBLEMS))
"""What needs attention comes first."""
_WIDE: Final = sum(len(view.title) + 4 for view in ORDER)


class Tabs(Static):
    """One line with the names of the views; where it is narrow, only the present one has a name."""

    DEFAULT_CSS = """
    Tabs {
        height: 1; padding: 0 1;
        link-style: none; link-color: $foreground 75%;
        link-background-hover: $panel; link-color-hover: $foreground; link-style-hover: none;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._chosen = ORDER[0]

    def choose(self, view: View) -> None:
        """Marks a view as the present one."""
        self._chosen = view
        self._draw()

    def on_resize(self) -> None:
        """Uses the room that there is."""
        self._draw()

    def _draw(self) -> None:
        if not self.size.width:  # it has no place so far
            return
        # All names come from the read model's declaration; nothing here is anybody's text.
        is_wide = self.size.width >= _WIDE
        tabs = []
        for number, view in enumerate(ORDER, 1):
            is_chosen = view is self._chosen
            title = f" {number} {view.title} " if is_wide or is_chosen else f"{number}"
            # A click on the present one does nothing, so it is no link.
            link = f"[@click=screen.view({number})]{title}[/]"
            tabs.append(f"[bold $background on $primary]{title}[/]" if is_chosen else link)
        self.update(Content.from_markup((" " if not is_wide else "").join(tabs)))
