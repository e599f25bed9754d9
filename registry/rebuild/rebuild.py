"""Checks and repairs the tables: `rebuild --check` and `rebuild`.

First the tables are compared with the log (`comparison`), then differences are merged (`repair`).
"""

from registry.database.connection import Connection, Database, may_read_tokens, registry_errors
from registry.errors import PermissionDenied
from registry.execution.executor import Invocation
from registry.hints import Command, Hint
from registry.rebuild.comparison import Options, Report, Watch, compared, examined
from registry.rebuild.readiness import adoption_pending, refuse_while_pending
from registry.rebuild.repair import Rebuilt, judging_if_refused, repair


class RebuildService:
    """Checks and repairs the tables of one database."""

    def __init__(self, database: Database, options: Options | None = None) -> None:
        self._database = database
        self._options = options or Options()

    def check(self, watch: Watch | None = None) -> Report:
        """Compares the tables with the log; writes nothing.

        Raises:
            RebuildRunning: another rebuild of this database is running.
            LogContradictsItself: the log cannot be replayed.
        """
        watch = watch or Watch()
        with (
            self._database.connection() as connection,
            examined(connection, watch, self._options) as comparison,
        ):
            comparison.report.adoption_pending = adoption_pending(connection)
            return comparison.report

    def rebuild(self, invocation: Invocation, watch: Watch | None = None) -> Rebuilt:
        """Makes the tables match the log, and records owners of positions that the log lacked.

        Raises:
            RebuildRunning: another rebuild of this database is running, or was meanwhile.
            LogContradictsItself: the log cannot be replayed.
            AdoptionPending: there are rows from before the registry.
            PermissionDenied: the role may only compare.
            RegistryError: from `watch.approve`; nothing has changed then.
        """
        watch = watch or Watch()
        with self._database.connection() as connection:
            _check_may_repair(connection)
            if invocation.dry_run:
                with examined(connection, watch, self._options) as comparison:
                    refuse_while_pending(connection)
                    return Rebuilt(comparison.report)
            return judging_if_refused(
                lambda judged: self._repair(connection, invocation, watch, judged=judged)
            )

    def _repair(
        self, connection: Connection, invocation: Invocation, watch: Watch, *, judged: bool
    ) -> Rebuilt:
        with compared(connection, watch, self._options, judged=judged) as comparison:
            refuse_while_pending(connection)
            if not comparison.anything_to_do:
                return Rebuilt(comparison.report)
            watch.approve(comparison.report)
            return repair(connection, comparison, invocation)


def _check_may_repair(connection: Connection) -> None:
    with registry_errors(connection):
        may_repair = may_read_tokens(connection)
    if not may_repair:
        raise PermissionDenied(
            "this database role may compare the tables with the log, but not repair them",
            hint=Hint(
                "Compare only: ",
                Command("rebuild", check=True),
                ", or use a login that is a member of registry_operator.",
            ),
        )
