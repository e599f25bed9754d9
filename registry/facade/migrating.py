"""Migrating through the front door, on a connection whose schema was not compared."""

from collections.abc import Collection
from typing import Literal

from registry.database.connection import connect_unchecked
from registry.facade.context import Context, log
from registry.facade.given import By
from registry.services.schema.mending import Repaired, repair_schema
from registry.services.schema.schema import BroughtUp, TakenDown, bring_up, take_down


def migrate(
    context: Context,
    direction: Literal["up", "down", "repair"],
    without_rows: Collection[str],
    by: By,
) -> BroughtUp | TakenDown | Repaired:
    """As `Registry.migrate` says."""
    invocation = context.invocation(by)
    with connect_unchecked(context.target, log.warning) as connection:
        if direction == "up":
            return bring_up(connection, lambda: invocation)
        if direction == "repair":
            return repair_schema(connection, invocation, without_rows=without_rows)
        return take_down(connection, invocation)
