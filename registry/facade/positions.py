"""`Registry.positions`: the owners of positions."""

import functools
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

from registry.errors import InvalidInput
from registry.facade.checking import checked
from registry.facade.context import Context
from registry.facade.given import By, checked_id
from registry.hints import Command, Hint, Option
from registry.services.reading.accounts import only
from registry.services.reading.lists import list_positions

if TYPE_CHECKING:
    from registry.execution.executor import Outcome
    from registry.services.changes.positions import PositionService

Records = list[dict[str, Any]]


@checked
class Positions:
    """The owners of positions. A bot's own positions are in `registry.positions`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @functools.cached_property
    def _service(self) -> "PositionService":
        from registry.services.changes.positions import PositionService

        return PositionService(self._context)

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
        wanted = _ids(position)
        if bool(wanted) == unowned:
            hint = Hint(Option("position", ...), " names some, ", Option("unowned"), " takes all.")
            raise InvalidInput("it must be said which positions", hint=hint)
        invocation = self._context.invocation(by)
        return self._service.link(account, wanted or None, invocation, move=move)

    def unlink(
        self,
        account: str,
        position: Iterable[uuid.UUID | str] = (),
        *,
        owned: bool = False,
        **by: Unpack[By],
    ) -> "Outcome":
        """Unlinks the given positions, or all `owned` positions, from an account."""
        wanted = _ids(position)
        if bool(wanted) == owned:
            hint = Hint(Option("position", ...), " names some, ", Option("owned"), " takes all.")
            raise InvalidInput("it must be said which positions", hint=hint)
        return self._service.unlink(account, wanted or None, self._context.invocation(by))

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


def _ids(given: Iterable[uuid.UUID | str]) -> list[uuid.UUID]:
    hint = Hint("See: ", Command("list-positions"))
    return list(dict.fromkeys(checked_id(value, "a position's id", hint) for value in given))
