"""The options of `--watch`, and a program under supervision."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from registry.errors import InvalidInput
from registry.moments import duration

if TYPE_CHECKING:
    from registry.commands._run import Run
    from registry.services.releases.changes import Asked, Changes
    from registry.services.supervising.candidate import Gate
    from registry.services.supervising.follower import ChangesSince
    from registry.services.supervising.supervisor import Manner

_A_WHILE = 10.0
"""Seconds of one wait for changes; after each, the follower looks whether its supervisor lives."""
_WATCHED = "--watch: "


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Whether the program is supervised, and how."""

    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Stay, and follow the account: restart the program after a change."
        ),
    ] = False
    on_change: Annotated[
        str | None,
        typer.Option(
            metavar="restart|SIGNAL",
            help=_WATCHED + "restart it, or send it a signal such as SIGHUP, if it loads its "
            "credentials itself: the environment of a process cannot be changed. "
            "[default: restart]",
        ),
    ] = None
    quiet: Annotated[
        str | None,
        typer.Option(
            metavar="SPAN",
            help=_WATCHED + "act when nothing changed for so long; several changes are one "
            "restart. [default: 2s]",
        ),
    ] = None
    grace: Annotated[
        str | None,
        typer.Option(
            metavar="SPAN", help=_WATCHED + "the time from SIGTERM to SIGKILL. [default: 30s]"
        ),
    ] = None
    restart: Annotated[
        Literal["on-change", "on-failure"] | None,
        typer.Option(
            help=_WATCHED + "on-failure starts it again, after pauses that grow, if it fails by "
            "itself; else its end is the end of run. [default: on-change]",
        ),
    ] = None

    def manner(self) -> "Manner | None":
        """How the program is supervised; None if it is not.

        Raises:
            InvalidInput: an option is not valid, or is of no use without --watch.
        """
        given = {
            "--on-change": self.on_change,
            "--quiet": self.quiet,
            "--grace": self.grace,
            "--restart": self.restart,
        }
        if not self.watch:
            without = [option for option, value in given.items() if value is not None]
            if without:
                raise InvalidInput(
                    f"{without[0]} says how a program is watched", hint="Add --watch."
                )
            return None
        from registry.services.supervising.supervisor import Manner

        return Manner(
            quiet=duration(self.quiet or "2s", "--quiet").total_seconds(),
            grace=duration(self.grace or "30s", "--grace").total_seconds(),
            on_change=_signal(self.on_change or "restart"),
            restarts_failed=self.restart == "on-failure",
        )


def _signal(text: str) -> signal.Signals | None:
    """The signal of a name such as HUP or SIGHUP; None for restart.

    Raises:
        InvalidInput: it is neither, or it is one that no program can handle.
    """
    if text == "restart":
        return None
    found = getattr(signal.Signals, f"SIG{text.upper().removeprefix('SIG')}", None)
    if found is None or found in (signal.SIGKILL, signal.SIGSTOP):
        raise InvalidInput(
            "--on-change is neither restart nor the name of a signal that a program can handle",
            hint="It is restart, or for example SIGHUP or SIGUSR1.",
        )
    return signal.Signals(found)


def supervise(
    run: "Run",
    name: str,
    manner: "Manner",
    asked: "Asked",
    become: "Callable[[Gate], NoReturn]",
) -> int:
    """Supervises a program until it ends, and ends as it did; returns its exit code.

    Raises:
        RegistryError: it could not be started.
    """
    from registry.services.supervising.signals import end_like
    from registry.services.supervising.supervisor import Job, Supervision

    def tell(text: str) -> None:
        run.output.notice(f"account-registry: {text}")

    job = Job(name=name, asked=asked, become=become, follow=lambda: _following(asked))
    status = Supervision(job, manner, tell, run.output.error).run()
    return end_like(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _following(asked: "Asked") -> "ChangesSince":
    """Follows an account. The master keys are not needed for it, and not read."""
    import logging

    from registry.database.pool import PooledDatabase
    from registry.database.target import Target
    from registry.services.releases.changes import Waiting, changes_since

    logging.getLogger("registry").setLevel(logging.ERROR)  # the supervisor tells the same
    database = PooledDatabase(Target.from_environment())

    def since(mark: str | None) -> "Changes":
        if mark is None:
            return changes_since(database, asked, None)
        with Waiting(database, asked, mark) as waiting:
            try:
                return waiting.changed.result(_A_WHILE)
            except TimeoutError:
                return waiting.seen()

    return since
