"""`Registry.stop` and `Registry.resume`: one call stops everything, and one takes it back."""

import uuid
from typing import TYPE_CHECKING, Unpack

from registry.database.opening import NewerToo
from registry.events.permissions import Permission
from registry.facade.checking import checked
from registry.facade.context import Context
from registry.facade.given import By, split

if TYPE_CHECKING:
    from registry.execution.executor import Outcome
    from registry.rules.stops import Stop
    from registry.services.changes.stops import StopPreview


class Stoppable(By, total=False):
    """What to stop, by name: exactly one of the first five, and who stops it and why."""

    everything: bool
    """Whether all releases are stopped."""
    exchange: str
    """Whatever is for this exchange."""
    lender: str
    """What this account lends; it can use it itself."""
    account: str
    """What this account has, borrows or lends."""
    credential: tuple[str, str]
    """The credentials of an account for an exchange, also where they are lent."""
    subaccount: int | None
    """Only the credential of this subaccount."""
    permission: Permission | None
    """Only the credential with this permission."""


@checked
class Stopping:
    """A part of `Registry`: what is stopped."""

    _context: Context

    def stop(self, **what: Unpack[Stoppable]) -> "Outcome":
        """Stops releases at once, also of what is added later; `reason` is required.

        When it has returned, nothing that is stopped is released, or taken from an environment.
        `resume` takes exactly this back; its name is the position in the outcome.
        """
        from registry.services.changes import stops

        by, named = split(what)
        database = NewerToo(self._context)
        return stops.stop(database, stops.WhatToStop(**named), self._context.invocation(by))

    def plan_stop(self, **what: Unpack[Stoppable]) -> "StopPreview":
        """What `stop` would take from whom now."""
        from registry.services.changes import stops

        return stops.preview(NewerToo(self._context), stops.WhatToStop(**split(what)[1]))

    def resume(self, stop: int | str | uuid.UUID | None = None, **by: Unpack[By]) -> "Outcome":
        """Takes back a stop, named by its position or command id; the only one if none is named.

        Nothing else changes: what was inactive stays so, and what other stops include is stopped.
        """
        from registry.services.changes import stops

        return stops.resume(self._context, stop, self._context.invocation(by))

    def stops(self) -> "list[Stop]":
        """The stops that are in force, the oldest first."""
        from registry.services.changes import stops

        return stops.in_force(self._context)
