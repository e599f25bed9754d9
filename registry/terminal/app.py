"""`Monitor`: the screen of `monitor`, which reads again when something happened."""

import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.filter import LineFilter
from textual.message import Message
from textual.timer import Timer

from registry.errors import RegistryError
from registry.services.views.described import View
from registry.terminal.filtering import Given
from registry.terminal.fleet import Fleet
from registry.terminal.page import Page
from registry.terminal.reader import Answer, Reader
from registry.terminal.theme import THEME

if TYPE_CHECKING:
    from registry.registry import Registry

_AT_ONCE: Final = 0.3
"""Seconds between two reads after events, at least; a burst of events is one read."""
_BUSY: Final = 10
"""While events keep coming, reads are to take a tenth of the time, ..."""
_LATEST: Final = 1.0
"""... but an event waits no longer than this."""
_QUIET: Final = 10.0
"""Seconds until the next read without an event: positions are no events, and time passes."""
_LONGEST: Final = 60.0
_SHARE: Final = 100
"""Without events a read is made each so many times its own length, so it takes 1 % of a core."""
_AGAIN: Final = (0.2, 1.0, 2.0, 5.0)
"""Seconds until a read that failed is tried again."""


class Happened(Message):
    """There is something new in the log, or the database is back."""


class Away(Message):
    """The database is away."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


class HasRead(Message):
    """The thread has read."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Monitor(App[None]):
    """All accounts in a terminal, live. It only reads."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "account-registry monitor"
    CSS = """
    Screen { background: $background; }
    VerticalScroll {
        scrollbar-size-vertical: 1;
        scrollbar-color: $primary 40%; scrollbar-background: $background;
    }
    Fleet.low Detail { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit"),
        Binding("ctrl+c", "quit", priority=True),
        Binding("question_mark", "help"),
    ]

    def __init__(
        self, registry: "Registry", view: View, given: Given, exchanges: Sequence[str] = ()
    ) -> None:
        """`exchanges` are offered where a filter is typed."""
        super().__init__()
        self.register_theme(THEME)
        self.theme = THEME.name
        self.failure: Exception | None = None
        """What ended it, if that was a defect."""
        self._source = registry
        self._begin = view, given, exchanges
        self._reader = Reader(lambda answer: self.post_message(HasRead(answer)))
        self._is_reading = False
        self._is_old = False
        """Whether something happened while it was reading."""
        self._read_at = 0.0
        self._pause = _AT_ONCE
        self._failures = 0
        self._timer: Timer | None = None
        self._due = 0.0

    def get_default_screen(self) -> Fleet:
        """See `App`."""
        return Fleet(self._source, *self._begin)

    def on_mount(self) -> None:
        """Begins to read and to watch."""
        self._reader.start()
        self._live = self._source.views.live(self._changed, self._lost)
        if not self.is_headless:
            self._end_by_signals()

    def on_unmount(self) -> None:
        """Reads no more."""
        self._live.close()
        self._reader.close()

    def _end_by_signals(self) -> None:
        # Otherwise the terminal would stay as it is, without an echo.
        import asyncio

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit)

    # -------------------------------------------------------------------- reading

    def _changed(self) -> None:
        self.post_message(Happened())

    def _lost(self, error: RegistryError) -> None:
        self.post_message(Away(error.message))

    def on_happened(self) -> None:
        """Reads soon; many events soon after one another are one read."""
        if self._is_reading:
            self._is_old = True
        else:
            self._read_in(self._read_at + self._pause - time.monotonic())

    def on_away(self, event: Away) -> None:
        """Says so."""
        if (page := self._page) is not None:
            page.away(event.why)

    def say(self, text: str) -> None:
        """Says that the database makes a read wait; a thread calls this."""
        self.post_message(Away(text))

    def read(self) -> None:
        """Reads what the present page shows, now or after the read that is under way."""
        if self._is_reading:
            self._is_old = True
            return
        if (page := self._page) is None:
            return
        self._is_reading, self._is_old = True, False
        self._read_at = time.monotonic()
        self._reader.ask(page, page.request())

    @property
    def _page(self) -> Page | None:
        """The page on top, or below the help; None when it has ended."""
        pages = [page for page in self._screen_stack if isinstance(page, Page)]
        return pages[-1] if pages else None

    def on_has_read(self, event: HasRead) -> None:
        """Shows it, and plans the next read."""
        answer, self._is_reading = event.answer, False
        page = self._page
        is_shown = answer.asked_by is page
        if page is not None and is_shown:
            if answer.error is None:
                page.take(answer.value)
            else:
                page.fail(answer.error)
        self._pause = min(_LATEST, max(_AT_ONCE, _BUSY * answer.seconds))
        if answer.error is None:
            self._failures = 0
            quiet = min(_LONGEST, max(_QUIET, _SHARE * answer.seconds))
        else:
            quiet = _AGAIN[min(self._failures, len(_AGAIN) - 1)]
            self._failures += 1
        # A key was pressed meanwhile, or another page was opened: at once.
        self._read_in(0.0 if self._is_old or not is_shown else quiet, instead=True)

    def _read_in(self, seconds: float, *, instead: bool = False) -> None:
        due = time.monotonic() + max(0.0, seconds)
        if self._timer is not None:
            if not instead and self._due <= due:
                return
            self._timer.stop()
        self._due = due
        self._timer = self.set_timer(max(0.001, seconds), self._read_now)

    def _read_now(self) -> None:
        self._timer = None
        self.read()

    # -------------------------------------------------------------------- the rest

    def action_help(self) -> None:
        """Explains the keys."""
        from registry.terminal.help import Help

        self.push_screen(Help())

    def get_line_filters(self) -> list[LineFilter]:
        """See `App`. NO_COLOR means no colours at all; Textual would show greys."""
        return [_NoColour()] if self.no_color else list(super().get_line_filters())

    def _handle_exception(self, error: Exception) -> None:
        # Textual would print the values of all variables.
        if self.is_headless:
            super()._handle_exception(error)
            return
        self.failure = error
        self.exit(return_code=1)


class _NoColour(LineFilter):
    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        """See `LineFilter`."""
        return [
            Segment(text, _colourless(style) if style is not None else None, control)
            for text, style, control in segments
        ]


def _colourless(style: Style) -> Style:
    # With the clicks that it holds, which `Style.without_color` keeps.
    return style.without_color
