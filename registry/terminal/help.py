"""The keys and the filter, explained."""

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

_TEXT: Final = """\
[b]Keys[/b]
1-6          a view; left and right, the one beside it
up, down     a row; over the end, the next page
n, p         the next page, the page before
Enter        the account of the row
/            filter
Esc          back; without the filter
q            leave

A click chooses. A second click on a row opens its account.

[b]Filter[/b]
account=grid_*           a name, or a pattern
exchange=aster
state=near its limit     or attention: what somebody should look at
btc                      other words are part of a name or another text

[b]Marks[/b]
■ somebody must look   ▲ soon   ● well   ○ not in use

Nothing is changed here. After the database was away it goes on by itself."""


class Help(ModalScreen[None]):
    """A window over the screen."""

    DEFAULT_CSS = """
    Help {
        align: center middle;
        & > VerticalScroll {
            width: 84; max-width: 100%; height: auto; max-height: 100%;
            padding: 0 2; border: round $primary; background: $surface;
        }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,enter,question_mark", "dismiss")]

    def compose(self) -> ComposeResult:
        """See `Screen`."""
        with VerticalScroll():
            yield Static(Content.from_markup(_TEXT))
