"""Progress of a long verb: bars on a terminal, plain lines otherwise."""

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from registry.commands._output import Output

StageProgress = Callable[[str, int, int], None]
"""Called with the stage, the units done, and the units in total."""

_SECONDS_BETWEEN_LINES: Final = 5.0


@contextlib.contextmanager
def progress_bar(output: Output, unit: str = "events") -> Iterator[StageProgress]:
    """Yields a callback that shows progress on standard error; with `--json` it shows nothing."""
    if output.as_json:
        yield lambda *_: None
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bars(unit) as progress:
            yield progress
    else:
        yield _Lines(output, unit)


@contextlib.contextmanager
def stage_progress(output: Output, stage: str) -> Iterator[Callable[[int, int], None]]:
    """The same for a verb with a single stage."""
    with progress_bar(output) as progress:
        yield functools.partial(progress, stage)


@contextlib.contextmanager
def _bars(unit: str) -> Iterator[StageProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{{task.fields[rate]}} {unit}/s"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    tasks: dict[str, tuple[Any, float]] = {}
    with bars:

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, rate="-"), time.monotonic()
            task, started = tasks[stage]
            bars.update(task, completed=done, total=total, rate=_rate(done, started))

        yield progress


class _Lines:
    def __init__(self, output: Output, unit: str) -> None:
        self._output = output
        self._unit = unit
        self._started: dict[str, float] = {}
        self._next = time.monotonic() + _SECONDS_BETWEEN_LINES

    def __call__(self, stage: str, done: int, total: int) -> None:
        started = self._started.setdefault(stage, time.monotonic())
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS_BETWEEN_LINES
        rate = _rate(done, started)
        self._output.notice(f"{stage}: {done:,} of {total:,} {self._unit}, {rate} {self._unit}/s")


def _rate(done: int, started: float) -> str:
    return f"{done / max(time.monotonic() - started, 0.001):,.0f}"
