"""Events of the positions that an account owns. They belong to the account's stream."""

import uuid

from registry.events.base import EventModel


class PositionsLinked(EventModel):
    """The account owns these positions. What another one owned, it gave up before."""

    positions: list[uuid.UUID]


class PositionsUnlinked(EventModel):
    """The account does not own these positions any more."""

    positions: list[uuid.UUID]
