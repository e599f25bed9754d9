"""A progress bar on standard error, where a person sees one."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from registry.commands._output import Output


@contextlib.contextmanager
def progress_bar(output: Output) -> Iterator[Callable[[str, int, int], None]]:
    """Gives a function that is told what is being done, how much of it, and of how much.

    There is no bar with `--json`, and none where standard error is not a terminal.
    """
    if output.as_json or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _stage, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        tasks = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        yield show
