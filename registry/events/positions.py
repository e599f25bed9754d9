"""Events of the positions that an account owns. They belong to the account's stream."""

import uuid

from registry.events.base import EventModel


class PositionsLinked(EventModel):
    """The account owns these positions. A former owner gave them up in an earlier event."""

    positions: list[uuid.UUID]


class PositionsUnlinked(EventModel):
    """The account no longer owns these positions."""

    positions: list[uuid.UUID]
