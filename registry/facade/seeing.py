"""What the registry itself knows to be wrong: `Registry.problems` and `Registry.doctor`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from registry.facade.checking import checked
from registry.facade.context import Context, log
from registry.facade.given import optional_path
from registry.services.problems.kinds import KindName

if TYPE_CHECKING:
    from registry.services.doctor import Finding
    from registry.services.problems.kinds import Problem


@checked
class Seeing:
    """A part of `Registry`: what is wrong, or soon will be."""

    _context: Context

    def problems(
        self,
        account: str | None = None,
        *,
        kind: KindName | None = None,
        bookmarks: Sequence[Path | str] = (),
        checkpoints: Path | str | None = None,
    ) -> "list[Problem]":
        """What is wrong or soon will be, the worst first, each with what to do as its `hint`.

        An auditor's login is enough. `bookmarks` are files of consumers of the log, which are
        problems if they lag. `checkpoints` is a file of signed checkpoints; by default the last
        one that was signed here is known.
        """
        from registry.services.problems.finding import problems

        return problems(
            self._context,
            account,
            kind=kind,
            bookmarks=[Path(one) for one in bookmarks],
            checkpoints=optional_path(checkpoints),
        )

    def doctor(
        self,
        notice: Callable[[str], None] = log.warning,
        *,
        quick: bool = False,
        full: bool = False,
    ) -> "list[Finding]":
        """Checks how the registry is set up, the log and the tables; includes all `problems`.

        `quick` leaves out what reads the whole log; `full` reads it however long it is.
        """
        from registry.services.doctor import examine

        context = self._context
        return list(examine(context.target, notice, context.own_keyring, quick=quick, full=full))
