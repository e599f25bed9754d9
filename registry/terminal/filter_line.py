"""Where a filter is typed."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from registry.services.views.reading import FILTERS


class FilterLine(Input):
    """A line that is there while it is typed in."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave")]

    class Left(Message):
        """Nothing was asked for."""

    def __init__(self, choices: Callable[[str], Sequence[str]]) -> None:
        """`choices` are the values that a named filter may have."""
        super().__init__(
            compact=True,
            placeholder="text  account=grid_*  exchange=aster  state=attention",
            suggester=_Suggester(choices),
        )
        self.display = False

    def open(self, present: str) -> None:
        """Lets a filter be typed, beginning with the present one."""
        self.value = present
        self.cursor_position = len(present)
        self.display = True
        # Not by `focus`, which comes later.
        self.screen.set_focus(self)

    def close(self) -> None:
        """Goes away."""
        self.display = False

    def action_leave(self) -> None:
        """Leaves the filter as it was."""
        self.post_message(self.Left())


class _Suggester(Suggester):
    def __init__(self, choices: Callable[[str], Sequence[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._choices = choices

    async def get_suggestion(self, value: str) -> str | None:
        """See `Suggester`: the rest of a filter's name, or of its value."""
        before, equals, begun = value.rpartition("=")
        name = before.rpartition(" ")[2]
        if equals and name in FILTERS:
            found = [one for one in self._choices(name) if begun and one.startswith(begun)]
            return f"{before}={found[0]}" if found else None
        before, space, begun = value.rpartition(" ")
        found = [f"{one}=" for one in FILTERS if begun and one.startswith(begun)]
        return f"{before}{space}{found[0]}" if found else None
