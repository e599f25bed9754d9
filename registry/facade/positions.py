"""`Registry.positions`: the owners of positions."""

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

from registry.errors import InvalidInput
from registry.facade.checking import checked
from registry.facade.context import Part
from registry.facade.given import By, checked_id
from registry.hints import Command, Hint, Option
from registry.services.reading.accounts import only
from registry.services.reading.lists import list_positions

if TYPE_CHECKING:
    from registry.execution.executor import Outcome

Records = list[dict[str, Any]]


@checked
class Positions(Part):
    """The owners of positions. A bot's own positions are in `registry.positions`."""

    def link(
        self,
        account: str,
        position: Iterable[uuid.UUID | str] = (),
        *,
        unowned: bool = False,
        move: bool = False,
        **by: Unpack[By],
    ) -> "Outcome":
        """Links the given positions, or all `unowned` positions, to an account."""
        from registry.services.changes.positions import LinkTask

        wanted = _wanted(position, "unowned", every=unowned)
        return self._context.execute(LinkTask(account, wanted, move=move), by)

    def unlink(
        self,
        account: str,
        position: Iterable[uuid.UUID | str] = (),
        *,
        owned: bool = False,
        **by: Unpack[By],
    ) -> "Outcome":
        """Unlinks the given positions, or all `owned` positions, from an account."""
        from registry.services.changes.positions import UnlinkTask

        wanted = _wanted(position, "owned", every=owned)
        return self._context.execute(UnlinkTask(account, wanted), by)

    def list(
        self,
        account: str | None = None,
        *,
        exchange: str | None = None,
        symbol: str | None = None,
        unowned: bool = False,
        closed: bool = False,
    ) -> Records:
        """Open positions, with `closed` also closed ones: of one account, `unowned`, or all.

        An exchange selects those of which it has one side.
        """
        found = list_positions(self._context, account, exchange, unowned=unowned, all_=closed)
        return only(found, symbol=symbol)


def _wanted(
    given: Iterable[uuid.UUID | str], option: str, *, every: bool
) -> list[uuid.UUID] | None:
    """The positions that are named; None for every one, which the option says."""
    see = Hint("See: ", Command("list-positions"))
    wanted = list(dict.fromkeys(checked_id(value, "a position's id", see) for value in given))
    if bool(wanted) == every:
        hint = Hint(Option("position", ...), " names some, ", Option(option), " takes all.")
        raise InvalidInput("it must be said which positions", hint=hint)
    return wanted or None
