"""`alerts run`: follows the log and the clock until it is stopped."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from registry.clock import now
from registry.database.connection import check_schema, connect_once, registry_errors
from registry.database.opening import AtTarget
from registry.errors import DatabaseUnavailable, LogIsAnother, RegistryError
from registry.hints import Command, Hint
from registry.services.alerts.delivering import Courier
from registry.services.alerts.messages import Message
from registry.services.alerts.rules import Settings
from registry.services.alerts.state import State
from registry.services.feed.events import Place
from registry.services.feed.feed import Feed
from registry.services.problems.finding import found_in
from registry.services.problems.kinds import Problem
from registry.services.problems.outside import Files
from registry.services.reading.history import HistoryFilter

_RARE: Final = ("SchemaTakenDown",)
"""What is followed if nobody is told of events: so it is noticed that the log is another one."""
_STEP_SECONDS: Final = 0.5
_BATCH: Final = 500
_AWAY_SECONDS: Final = 300.0
"""A restart or a failover of the database is no news."""
_JOIN_SECONDS: Final = 5.0


class Alerts:
    """One run."""

    def __init__(
        self,
        database: AtTarget,
        settings: Settings,
        files: Files,
        told: Callable[[str], None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._files = files
        self._told = told
        self._failing_since: float | None = None

    def run(self, stop: threading.Event, *, anew: bool = False) -> None:
        """Runs until the event is set; with `anew` it begins at the end of the log of today.

        Raises:
            Conflict: another process uses the state.
            LogIsAnother: the log is not the one of the state. It was told before.
            InvalidInput: the state cannot be read or written.
        """
        with State.opened(self._settings.state) as state:
            couriers = [
                Courier(name, receiver, state, self._settings.name, self._told)
                for name, receiver in self._settings.receivers.items()
            ]
            for courier in couriers:
                courier.start()
            self._told(f"Telling {', '.join(self._settings.receivers)}")
            try:
                self._run(state, couriers, stop, None if anew else state.place)
            except LogIsAnother as error:
                hint = self._tell_another_log(state, error)
                stop.wait(_JOIN_SECONDS)
                raise LogIsAnother(error.message, hint=hint) from None
            finally:
                for courier in couriers:
                    courier.stop()
                for courier in couriers:
                    courier.join(_JOIN_SECONDS)

    def _run(
        self,
        state: State,
        couriers: Sequence[Courier],
        stop: threading.Event,
        place: Place | None,
    ) -> None:
        look = 0.0
        with contextlib.ExitStack() as closing:
            feed = None
            while not stop.is_set():
                is_due = time.monotonic() >= look
                if is_due:
                    self._look(state)
                    look = time.monotonic() + self._settings.every
                # A feed would wait for a database that is away, whoever wants to stop meanwhile.
                if feed is None and is_due and self._failing_since is None:
                    feed = self._opened(place)
                    if feed is not None:
                        closing.enter_context(feed)
                if feed is not None:
                    self._read(state, feed)
                    if is_due and feed.place != state.place:
                        state.add((), place=feed.place)
                for courier in couriers:
                    if courier.failed is not None:
                        raise courier.failed
                stop.wait(_STEP_SECONDS)

    def _opened(self, place: Place | None) -> Feed | None:
        """The feed behind a place, or None while the database is away."""
        types = sorted(self._settings.events) or _RARE
        try:
            return Feed(self._database, HistoryFilter(), types=types, after=place, lost=self._told)
        except DatabaseUnavailable as error:
            self._told(f"the log cannot be followed: {error.message}")
            return None

    def _read(self, state: State, feed: Feed) -> None:
        """Keeps what there is to tell of the events that are there."""
        messages: list[Message] = []
        place = None
        while len(messages) < _BATCH and (event := feed.next_now()) is not None:
            messages.append(Message.of_event(event))
            place = event.place
        if messages:
            state.add([(m, self._settings.to(m)) for m in messages], place=place)

    def _look(self, state: State) -> None:
        """Keeps what there is to tell of the problems that are new, and over."""
        found, known = self._found()
        present = {problem.id: problem for problem in found}
        opened = {
            id_: Message.of_problem(problem, now())
            for id_, problem in present.items()
            if id_ not in state.open
        }
        gone = [id_ for id_ in state.open if id_ not in present] if known else []
        over = [state.open[id_].over(now()) for id_ in gone]
        messages = [*opened.values(), *over]
        if messages:
            told = [(message, self._settings.to(message)) for message in messages]
            state.add(told, opened=opened, over=gone)

    def _found(self) -> tuple[list[Problem], bool]:
        """The problems, and whether they are all: if nothing can be read, nothing is over."""
        try:
            with connect_once(self._database.target) as connection, registry_errors(connection):
                check_schema(connection)
                found = found_in(connection, self._files)
        except RegistryError as error:
            if self._failing_since is None:
                self._failing_since = time.monotonic()
                self._told(f"the registry cannot be read: {error.message}")
            if time.monotonic() - self._failing_since < _AWAY_SECONDS:
                return [], False
            return [_unreachable()], False
        if self._failing_since is not None:
            self._told("the registry can be read again")
        self._failing_since = None
        return found, True

    def _tell_another_log(self, state: State, error: LogIsAnother) -> Hint:
        """Tells the receivers; returns what to do, for whoever looks at this process."""
        again = Command("alerts", "run", anew=True)
        hint = Hint("Find out who restored it, and then begin anew: ", again)
        problem = Problem(kind="another_log", text=error.message, hint=hint)
        message = Message.of_problem(problem, now())
        if problem.id not in state.open:
            state.add([(message, self._settings.to(message))], opened={problem.id: message})
        return hint


def _unreachable() -> Problem:
    hint = Hint("See why: ", Command("doctor"))
    return Problem(
        kind="unreachable", text="the registry could not be read for 5 minutes", hint=hint
    )
