"""The supervisor: what happens when something changes, ends, or is asked for by a signal.

follower: changed → quiet time → candidate loads → is it different? → the program is stopped
→ the candidate becomes the program
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from registry.database.patience import Notice
from registry.errors import (
    InvalidInput,
    NotFound,
    ProcessLimit,
    Refused,
    RegistryError,
    ReleaseRefused,
)
from registry.plurals import plural
from registry.services.releases.changes import Asked
from registry.services.supervising.candidate import Candidate, Gate, as_error, candidate
from registry.services.supervising.follower import ChangesSince, follower
from registry.services.supervising.pace import NEVER, Backoff, Quiet, spread
from registry.services.supervising.processes import Child
from registry.services.supervising.signals import STOPS_OF_JOBS, Received, Signals, stop_like

_LONGEST_WAIT: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a program is supervised."""

    quiet: float = 2.0
    """Seconds without a further change before the program is restarted or told."""
    grace: float = 30.0
    """Seconds between SIGTERM and SIGKILL."""
    on_change: signal.Signals | None = None
    """The signal that the program gets after a change; None restarts it."""
    restarts_failed: bool = False
    """Whether a program that fails by itself is started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is supervised."""

    name: str
    """The program's name, for messages."""
    asked: Asked
    """The account, and which of its credentials the program gets."""
    become: Callable[[Gate], NoReturn]
    """Loads the credentials, passes the gate, and becomes the program."""
    follow: Callable[[], ChangesSince]
    """Begins to follow the account."""


class Program:
    """The running program."""

    def __init__(self, candidate: Candidate) -> None:
        self.process = candidate.process
        self.given = candidate.given or {}
        """Exchange -> digest of what it was given."""
        self.since = time.monotonic()


class Supervision:
    """One supervised program, from its first start to its end."""

    def __init__(
        self, job: Job, manner: Manner, tell: Notice, refuse: Callable[[RegistryError], None]
    ) -> None:
        self._job, self._manner, self._tell, self._refuse = job, manner, tell, refuse
        self._signals = Signals()
        self._quiet = Quiet(manner.quiet)
        self._pauses, self._retries, self._rejoins = Backoff(), Backoff(), Backoff()
        self._program: Program | None = None
        self._candidate: Candidate | None = None
        self._follower: Child | None = None
        self._follow_at = 0.0
        self._is_away = False
        """Whether nothing can be followed now, and that was told."""
        self._kill_at = NEVER
        self._is_stopping = False
        """Whether we told the program to end."""
        self._refusal: RegistryError | None = None
        """Why the program may not go on."""
        self._needs_load = False
        """Whether the next thing due is a load, and no signal would do."""
        self._is_stopped = False
        """Whether the account can use nothing, as far as the follower knows."""
        self._asked_to_end = False
        """Whether a signal asked the program to end."""
        self._was_started = False
        self._end: int | None = None

    def run(self) -> int:
        """Runs the program until it ends; returns its status as waitpid(2) has it.

        If the program may not go on, the status has the exit code of the refusal, which was told.

        Raises:
            RegistryError: it could not be started.
        """
        try:
            while self._end is None:
                self._do_what_is_due()
                received = self._signals.next(self._time_left())
                if received is not None and received.number != signal.SIGCHLD:
                    self._pass_on(received)
                self._listen()
                self._reap()
            return self._end
        finally:
            for child in self._children():
                with contextlib.suppress(Refused):
                    child.signal(signal.SIGKILL)
            self._signals.as_before()

    def _children(self) -> list[Child]:
        with_processes = (self._program, self._candidate)
        found = [one.process for one in with_processes if one is not None]
        return found if self._follower is None else [*found, self._follower]

    # ------------------------------------------------------------ time

    def _time_left(self) -> float:
        load_at = self._quiet.due if self._may_load() else NEVER
        follow_at = self._follow_at if self._follower is None else NEVER
        left = min(load_at, follow_at, self._kill_at) - time.monotonic()
        return min(_LONGEST_WAIT, max(0.0, left))

    def _may_load(self) -> bool:
        return self._candidate is None and not self._is_stopping

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        if self._kill_at <= now and self._program is not None:
            self._kill_at = NEVER
            self._tell(f"{self._job.name} did not end within {self._manner.grace:g} s: killing it.")
            self._program.process.signal(signal.SIGKILL)
        if self._follower is None and self._follow_at <= now:
            self._follow()
        if self._quiet.due <= now and self._may_load():
            self._quiet.taken()
            if self._program is not None and self._manner.on_change and not self._needs_load:
                self._say_it_changed(self._program, self._manner.on_change)
                return
            self._needs_load = False
            self._load()

    def _follow(self) -> None:
        self._follow_at = time.monotonic() + spread(self._rejoins.grown(at_least=1))
        try:
            self._follower = follower(self._job.follow)
        except ProcessLimit as error:
            self._tell_away(error)

    def _load(self) -> None:
        held = frozenset(self._program.given if self._program is not None else ())
        try:
            self._candidate = candidate(self._job.become, self._signals, held)
        except ProcessLimit as error:
            self._not_loaded(error)

    # ------------------------------------------------------------ signals

    def _pass_on(self, received: Received) -> None:
        program = self._program
        if received.ends:
            self._asked_to_end = True
            self._quiet.hold(time.monotonic() + self._manner.grace)  # it may be ending
            if program is None:
                self._end = received.number
        if program is None:
            if received.number in STOPS_OF_JOBS and self._candidate is None:
                stop_like(received.number)
        elif not received.from_terminal and received.sender != program.process.pid:
            program.process.signal(received.number)

    # ------------------------------------------------------------ messages

    def _listen(self) -> None:
        for message in self._follower.heard() if self._follower else ():
            self._followed(message)
        for message in self._candidate.process.heard() if self._candidate else ():
            if "given" in message:
                self._loaded(message["given"])
            else:
                self._not_loaded(as_error(message["error"]))
        for message in self._program.process.heard() if self._program else ():
            self._may_not_go_on(as_error(message["error"]))  # the system cannot execute it

    def _followed(self, message: dict[str, Any]) -> None:
        now = time.monotonic()
        if "ready" in message:
            self._rejoins.reset()
            self._tell_away(None)
            self._load_at(now)  # also after an earlier follower: nobody saw what changed meanwhile
        elif "error" in message:
            self._tell_away(as_error(message["error"]))
        elif "away" in message:
            self._tell_away(message["away"] and as_error(message["away"]))
        elif message["stopped"]:
            self._is_stopped = True
            self._drop_candidate()
            self._load_at(now)  # which is refused, and says why
        else:
            self._is_stopped = False
            if not self._is_stopping:  # else the next program is looked at again after its start
                self._drop_candidate()
            self._quiet.changed(now)

    def _tell_away(self, why: RegistryError | None) -> None:
        if why is not None and not self._was_started:
            raise why
        was_away, self._is_away = self._is_away, why is not None
        if why is not None and not was_away:
            self._tell(
                f"The credentials of {self._job.asked.account} cannot be followed now: "
                f"{why.message}. {self._job.name} goes on."
            )
        elif was_away and why is None:
            self._tell(f"The credentials of {self._job.asked.account} are followed again.")

    def _load_at(self, moment: float) -> None:
        self._needs_load = True
        self._quiet.at(moment)

    def _loaded(self, given: dict[str, str]) -> None:
        assert self._candidate is not None  # noqa: S101
        self._retries.reset()
        self._candidate.given = given
        if self._program is None:
            self._start()
            return
        names = {*given, *self._program.given}
        different = sorted(n for n in names if given.get(n) != self._program.given.get(n))
        if different and self._manner.on_change is None:
            what = f"{' and '.join(different)} {plural(len(different), 'credential')}"
            self._tell(
                f"Restarting {self._job.name}: the {what} of {self._job.asked.account} changed."
            )
            self._stop()
            return
        self._drop_candidate()
        if different and self._manner.on_change:
            self._program.given = given
            self._say_it_changed(self._program, self._manner.on_change)

    def _say_it_changed(self, program: Program, number: signal.Signals) -> None:
        program.process.signal(number)
        self._tell(
            f"Sent {number.name} to {self._job.name}: the credentials of {self._job.asked.account} "
            "changed."
        )

    def _not_loaded(self, error: RegistryError) -> None:
        self._drop_candidate()
        passing = not isinstance(error, Refused | NotFound | InvalidInput)
        if not self._was_started or (self._program is None and not passing):
            raise error
        if passing and self._is_stopped:
            error = ReleaseRefused(f"{self._job.asked.account} may use no credential any more")
        if isinstance(error, Refused | NotFound):
            self._tell(f"Stopping {self._job.name}.")
            self._may_not_go_on(error)
            self._stop()
            return
        again = "after the next change"
        if passing:
            pause = spread(self._retries.grown(at_least=1))
            self._load_at(time.monotonic() + pause)
            again = f"in {pause:.0f} s"
        now = f"{self._job.name} goes on with the old ones" if self._program else "Nothing runs"
        self._tell(
            f"The credentials of {self._job.asked.account} cannot be loaded: {error.message}. "
            f"{now}; the next attempt is {again}."
        )

    def _may_not_go_on(self, error: RegistryError) -> None:
        self._refuse(error)  # now: until the program has ended may take a while
        self._refusal = error

    def _drop_candidate(self) -> None:
        if self._candidate is not None:
            self._candidate.process.signal(signal.SIGKILL)
            self._candidate.process.close()
            self._candidate = None

    # ------------------------------------------------------------ the program

    def _start(self) -> None:
        """The candidate becomes the program."""
        assert self._candidate is not None  # noqa: S101
        self._candidate.process.say(go=True)
        self._program, self._candidate = Program(self._candidate), None
        self._was_started, self._asked_to_end = True, False

    def _stop(self) -> None:
        assert self._program is not None  # noqa: S101
        self._is_stopping, self._asked_to_end = True, False
        self._kill_at = time.monotonic() + self._manner.grace
        self._program.process.signal(signal.SIGTERM)
        self._program.process.signal(signal.SIGCONT)  # a stopped one could not end

    def _reap(self) -> None:
        """Takes the status of every child that ended: of orphans too, as a container's first."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return
            if not pid:
                return
            if os.WIFSTOPPED(status):
                if os.WSTOPSIG(status) in STOPS_OF_JOBS:
                    stop_like(os.WSTOPSIG(status))
                continue
            for child in self._children():
                if child.pid == pid:
                    child.has_ended = True
                    self._listen()  # its last words
                    self._child_ended(child, status)

    def _child_ended(self, child: Child, status: int) -> None:
        if self._program is not None and child is self._program.process:
            self._program_ended(self._program, status)
        elif self._candidate is not None and child is self._candidate.process:
            self._not_loaded(ProcessLimit("the process that loads them was killed"))
        elif child is self._follower:
            self._follower = None

    def _program_ended(self, program: Program, status: int) -> None:
        program.process.close()
        was_stopping, self._is_stopping = self._is_stopping, False
        self._program, self._kill_at = None, NEVER
        lived = time.monotonic() - program.since
        if self._refusal is not None:
            self._end = self._refusal.exit_status << 8
        elif self._asked_to_end:
            self._end = status
        elif was_stopping:
            self._quiet.hold(time.monotonic() + self._pauses.after(lived))
            if self._candidate is None:
                self._load_at(time.monotonic())
            elif self._candidate.given is not None:
                self._start()
        elif self._manner.restarts_failed and status != 0:
            self._start_again(status, self._pauses.after(lived, at_least=1))
        else:
            self._end = status

    def _start_again(self, status: int, pause: float) -> None:
        number, code = os.WTERMSIG(status), os.WEXITSTATUS(status)
        how = f"by signal {number}" if os.WIFSIGNALED(status) else f"with exit code {code}"
        self._tell(f"{self._job.name} ended {how}; it is started again in {pause:.0f} s.")
        self._drop_candidate()
        self._load_at(time.monotonic() + pause)
