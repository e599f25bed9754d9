"""The column `account_id` of `strategy_positions`, a table that is the bot's."""

from typing import Final

from projections.rows import PatchAll, RowChange, Table
from registry.events.stored import StoredEvent

TABLE: Final = Table("strategy_positions", {"id": "uuid", "account_id": "uuid"}, partial=True)


def linked(event: StoredEvent) -> RowChange:
    """PositionsLinked."""
    return _owned_by(event, event.stream_id)


def unlinked(event: StoredEvent) -> RowChange:
    """PositionsUnlinked."""
    return _owned_by(event, None)


def _owned_by(event: StoredEvent, account_id: str | None) -> RowChange:
    positions = event.data["positions"]
    if not isinstance(positions, list):
        raise TypeError(positions)
    return PatchAll(TABLE, tuple(positions), {"account_id": account_id})


HANDLERS: Final = {
    "PositionsLinked": linked,
    "PositionsUnlinked": unlinked,
}
