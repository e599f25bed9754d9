"""The column `account_id` of `strategy_positions`, a table that belongs to the bot."""

from typing import Annotated, Final, TypedDict

from projections.columns import Column
from projections.rows import PatchAll, RowChange, Table
from registry.events.stored import StoredEvent


class PositionRow(TypedDict):
    """The columns of a row of `strategy_positions` that the registry uses."""

    id: Annotated[str, Column("uuid", original=True)]
    account_id: Annotated[str | None, Column("uuid")]


TABLE: Final = Table.of("strategy_positions", PositionRow, partial=True)


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
