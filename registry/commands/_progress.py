"""How the progress of a long verb is told: a bar on a terminal, plain lines otherwise."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from registry.commands._output import Output

Progress = Callable[[int, int], None]

_SECONDS_BETWEEN_LINES: Final = 5.0


@contextlib.contextmanager
def events_progress(output: Output, what: str) -> Iterator[Progress]:
    """Something to tell how many events are done, and of how many; it goes to standard error."""
    if output.as_json:
        yield lambda *_: None
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bar(what) as progress:
            yield progress
    else:
        yield _Lines(output, what)


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} events/s"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    started = time.monotonic()
    with bar:
        task = bar.add_task(what, total=None, rate="-")

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, rate=_rate(done, started))

        yield progress


class _Lines:
    def __init__(self, output: Output, what: str) -> None:
        self._output = output
        self._what = what
        self._started = time.monotonic()
        self._next = self._started + _SECONDS_BETWEEN_LINES

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS_BETWEEN_LINES
        rate = _rate(done, self._started)
        self._output.notice(f"{self._what}: {done:,} of {total:,} events, {rate} events/s")


def _rate(done: int, started: float) -> str:
    return f"{done / max(time.monotonic() - started, 0.001):,.0f}"
