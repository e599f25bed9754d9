"""Follows what an account may use, in a process of its own, and tells the supervisor of changes."""

import time
from collections.abc import Callable

from registry.errors import RegistryError, Unavailable
from registry.services.releases.changes import Changes
from registry.services.supervising.candidate import described
from registry.services.supervising.pace import Backoff, spread
from registry.services.supervising.processes import Child, Supervisor, forked

ChangesSince = Callable[[str | None], Changes]
"""Waits a while for changes since a mark."""


def follower(connect: Callable[[], ChangesSince]) -> Child:
    """Forks a process that follows until its supervisor ends.

    It says `ready` once it follows, `exchanges` and `stopped` after a change, and `away` with a
    reason while it cannot follow, or without one when it can again. It says `error` and ends if it
    never could. All signals to this process wait in vain: it ends with its supervisor only.
    """

    def work(supervisor: Supervisor) -> int:
        try:
            changes_since = connect()
            mark = changes_since(None).mark
        except RegistryError as error:
            supervisor.say(error=described(error))
            return error.exit_status
        supervisor.say(ready=True)
        _follow(changes_since, mark, supervisor)
        return 0

    return forked(work)


def _follow(changes_since: ChangesSince, mark: str, supervisor: Supervisor) -> None:
    backoff, is_away, stopped = Backoff(), False, False
    while supervisor.is_there:
        try:
            changes = changes_since(mark)
        except Unavailable as error:
            if not is_away:
                supervisor.say(away=described(error))
            is_away = True
            time.sleep(spread(backoff.grown(at_least=0.2)))
            continue
        if is_away:
            supervisor.say(away=None)
            is_away = False
            backoff.reset()
        if changes.exchanges or (changes.stopped and not stopped):
            supervisor.say(exchanges=changes.exchanges, stopped=changes.stopped)
        mark, stopped = changes.mark, changes.stopped
