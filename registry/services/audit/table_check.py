"""What `verify` says of the tables: each row that does not follow from the log.

And each event that does not count, whatever the tables hold.
"""

from collections.abc import Iterator
from typing import Final

from registry.database.connection import Database
from registry.errors import LogContradictsItself
from registry.log.findings import Failure
from registry.plurals import counted
from registry.rebuild.comparison import Progress, Watch
from registry.rebuild.differences import RowDrift
from registry.rebuild.rebuild import RebuildService
from registry.rebuild.unadopted import PENDING

_CHECK: Final = "projections"


def drift(database: Database, progress: Progress) -> Iterator[Failure]:
    """Each row that differs from what the log says, and each event that says nothing.

    As `rebuild --check` finds them.

    Raises:
        RebuildRunning: the tables are being repaired.
    """
    try:
        report = RebuildService(database).check(Watch(progress))
    except LogContradictsItself as error:
        yield Failure(_CHECK, error.message)
        return
    if report.adoption_pending:
        yield Failure(_CHECK, f"{PENDING}: take them in with adopt")
    yield from (Failure("events", str(event), event.position) for event in report.skipped)
    yield from (Failure(_CHECK, _told(row)) for row in report.listed)
    unlisted = report.differing - len(report.listed)
    if unlisted > 0:
        yield Failure(_CHECK, f"{counted(unlisted, 'more row')} not as the log says")


def _told(row: RowDrift) -> str:
    match row.kind:
        case "extra":
            return f"{row.table} has a row {row.key} that no event made"
        case "missing":
            return f"{row.table} lacks the row {row.key}"
        case "changed":
            columns = ", ".join(row.columns)
            return f"{row.table} row {row.key} differs from the log in {columns}"
