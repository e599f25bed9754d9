"""`Registry.migrate`: the schema of a database, up and down."""

from typing import Literal

from registry.database.connection import connect
from registry.errors import InvalidInput
from registry.execution.executor import Invocation
from registry.facade.context import Context, log
from registry.rebuild.comparison import Watch
from registry.services.schema.rehearsal import Rehearsed, rehearse
from registry.services.schema.schema import BroughtUp, TakenDown, bring_up, purge, take_down


def migrate(
    context: Context,
    direction: Literal["up", "down"],
    invocation: Invocation,
    *,
    rehearsal: bool,
    destroy: bool,
    confirm: str,
    watch: Watch | None,
) -> BroughtUp | TakenDown | Rehearsed | list[str]:
    """See `Registry.migrate`."""
    if (rehearsal or destroy) and direction != "down":
        raise InvalidInput("rehearse and purge belong to going down")
    with connect(context.target, log.warning) as connection:
        if direction == "up":
            return bring_up(connection, lambda: invocation, watch)
        if destroy:
            return [migration.file_name for migration in purge(connection, confirm)]
        if rehearsal:
            return rehearse(connection, invocation, watch)
        return take_down(connection, invocation, watch)
