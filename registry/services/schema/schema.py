"""Takes the tables down and brings them back without loss.

Down: facts that the log lacks are recorded first, in the transaction that drops the tables. Up:
the tables are created and filled in one transaction, so that nobody sees them empty.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import psycopg
from psycopg import sql

from projections import TABLES
from registry.database.connection import Connection, registry_errors
from registry.database.migration_files import Migration
from registry.database.migrator import PROJECTIONS, Migrator
from registry.database.objects import differences
from registry.database.outside import stopped_by
from registry.database.queries import load_queries, one_row
from registry.errors import ConfirmationNeeded, TablesDiffer
from registry.events.positions import PositionsLinked, PositionsUnlinked
from registry.events.registry import ForeignReference, SchemaTakenDown
from registry.events.stored import Stream
from registry.execution.executor import Invocation, command_record
from registry.hints import Command, Hint
from registry.log.append import CommandRecord
from registry.log.ids import REGISTRY_STREAM
from registry.log.reading import log_size
from registry.plurals import counted
from registry.rebuild.comparison import Comparison, Options, Watch, compared, examined
from registry.rebuild.repair import Rebuilt, append_at_end, follow_tail, judging_if_refused, repair
from registry.rules.positions import parts

_QUERIES = load_queries("registry.services.schema", "schema.sql")
_TABLES: Final = [table.name for table in TABLES if not table.partial]
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Contents:
    """The objects that would be dropped, and the data that stays."""

    tables: dict[str, int]
    """Table -> rows."""
    linked_positions: int
    references: list[ForeignReference]
    """Foreign keys of other tables; they are dropped, and restored by `bring_up`."""
    """Views of other programs, which prevent the drop."""
    events: int
    data_keys: int

    @property
    def down(self) -> bool:
        """Whether there is nothing to drop."""
        return not self.tables


@dataclass(frozen=True, slots=True)
class TakenDown:
    """The result of taking the tables down."""

    migrations: list[str]
    recorded: int
    """Owners of positions that the log did not know."""
    position: int


@dataclass(slots=True)
class BroughtUp:
    """The result of bringing the schema up."""

    migrations: list[str] = field(default_factory=list)
    rebuilt: Rebuilt | None = None
    """Set if the tables had been taken down."""
    references: list[str] = field(default_factory=list)
    """Foreign keys that were restored."""
    broken: list[str] = field(default_factory=list)
    """Foreign keys that were not restored, or that hold for new rows only."""
    damaged: list[str] = field(default_factory=list)
    """A sentence for each object of the schema that is missing or changed; see `mending`."""
    stopped: list[str] = field(default_factory=list)
    """A sentence for each account and exchange that a new rule refuses from now on."""


def contents(connection: Connection) -> Contents:
    """Reads the registry's objects in the database."""
    with registry_errors(connection), connection.transaction():
        connection.execute(_QUERIES["qualify_names"])
        tables = {
            name: _count(connection, name)
            for (name,) in connection.execute(_QUERIES["tables"], {"tables": _TABLES}).fetchall()
        }
        linked = connection.execute(_QUERIES["linked"]).fetchone() if tables else (0,)
        references = connection.execute(_QUERIES["references"], {"tables": _TABLES})
        events, keys = one_row(connection.execute(_QUERIES["kept"]))
        return Contents(
            tables=tables,
            linked_positions=(linked or (0,))[0],
            references=[
                ForeignReference(table=table, constraint=name, definition=definition)
                for table, name, definition in references
            ],
            events=events,
            data_keys=keys,
        )


def _count(connection: Connection, name: str) -> int:
    counting = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("public", name))
    (rows,) = one_row(connection.execute(counting))
    return int(rows)


def take_down(
    connection: Connection, invocation: Invocation, watch: Watch | None = None
) -> TakenDown:
    """Drops the tables and the owner column of the positions; the log and the keys stay.

    Raises:
        TablesDiffer: the tables hold something that the log does not know.
        InUseByOthers: objects of another program depend on the tables.
        RebuildRunning: a rebuild is running.
    """
    with examined(connection, watch or Watch(), Options()) as comparison:
        _refuse_drift(comparison)
        found = contents(connection)
        record = command_record(invocation, {"verb": "migrate down"}, invocation.command_id)
        with registry_errors(connection), connection.transaction():
            event = SchemaTakenDown(references=found.references)
            position = append_at_end(connection, record, 0, REGISTRY_STREAM, event)
            connection.execute(_QUERIES["lock_positions"])
            follow_tail(connection, comparison, shadow=False)
            recorded = _record_owners(connection, comparison, record)
            for reference in found.references:
                _drop(connection, reference)
            undone = Migrator(connection).down()
    return TakenDown([migration.file_name for migration in undone], recorded, position)


def is_down(connection: Connection) -> bool:
    """Whether the tables were taken down: there are events, and no tables nor their migration."""
    with registry_errors(connection):
        (down,) = one_row(connection.execute(_QUERIES["is_down"]))
        if not down or Migrator(connection).has_applied(PROJECTIONS):
            return False
        return bool(log_size(connection))


def bring_up(
    connection: Connection, invocation: Callable[[], Invocation], watch: Watch | None = None
) -> BroughtUp:
    """Applies missing migrations; restores tables that were taken down, with all rows.

    Raises:
        MigrationChanged, SchemaTooNew: see `Migrator.up`.
        RebuildRunning: a rebuild is running.
    """
    result = BroughtUp()

    applied: list[Migration] = []

    def migrate(connection: Connection) -> None:
        applied[:] = Migrator(connection).up()
        result.migrations = [m.file_name for m in applied]

    if not is_down(connection):
        migrate(connection)
        with registry_errors(connection):
            result.stopped = stopped_by(applied, connection)
            result.damaged = list(map(str, differences(connection)))
        return result

    def attempt(judged: bool) -> Rebuilt:
        result.references, result.broken = [], []
        with compared(
            connection, watch or Watch(), Options(), exists=False, judged=judged
        ) as comparison:
            return repair(
                connection,
                comparison,
                invocation(),
                before=migrate,
                after=lambda connection: _restore_references(connection, result),
            )

    result.rebuilt = judging_if_refused(attempt)
    return result


def purge(connection: Connection, typed_name: str) -> list[Migration]:
    """Drops everything, including the log and the keys. This cannot be undone.

    Raises:
        ConfirmationNeeded: the typed name is not the name of the database.
    """
    with registry_errors(connection):
        (name,) = one_row(connection.execute(_QUERIES["database_name"]))
    if typed_name != name:
        raise ConfirmationNeeded(
            f"{typed_name!r} is not the name of the database; nothing was changed",
            hint=f"The database is {name}.",
        )
    with registry_errors(connection), connection.transaction():
        return Migrator(connection).down(keep=0, destroy_log=True)


def _refuse_drift(comparison: Comparison) -> None:
    rows = [row for row in comparison.report.listed if row.table in _TABLES]
    count = sum(
        number for (table, _), number in comparison.report.counts.items() if table in _TABLES
    )
    if count:
        named = ", ".join(f"{r.kind} {r.table} {r.name or r.key}" for r in rows[:_NAMED])
        raise TablesDiffer(
            f"the tables hold what the log does not know ({counted(count, 'row')}: {named})",
            hint=Hint(
                "See: ",
                Command("rebuild", check=True),
                "; adopt what is to be kept, and rebuild. Then go down.",
            ),
        )


def _record_owners(connection: Connection, comparison: Comparison, record: CommandRecord) -> int:
    """Records the owner of every position from the table, since the column is dropped."""
    taken: dict[str, list[uuid.UUID]] = {}
    given: dict[str, list[uuid.UUID]] = {}
    for position, owner in connection.execute(_QUERIES["owned_positions"]):
        logged = comparison.links.get(position)
        if owner == logged:
            continue
        if logged is not None:
            taken.setdefault(logged, []).append(uuid.UUID(position))
        if owner is not None:
            given.setdefault(owner, []).append(uuid.UUID(position))
    index = 1
    for kind, by_account in ((PositionsUnlinked, taken), (PositionsLinked, given)):
        for account_id, positions in by_account.items():
            for part in parts(positions):
                stream = Stream("account", uuid.UUID(account_id))
                append_at_end(connection, record, index, stream, kind(positions=part))
                index += 1
    return sum(map(len, given.values())) + sum(map(len, taken.values()))


def _drop(connection: Connection, reference: ForeignReference) -> None:
    # The catalog returns the table's name already quoted.
    connection.execute(
        sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
            _as_is(reference.table), sql.Identifier(reference.constraint)
        )
    )


def _restore_references(connection: Connection, result: BroughtUp) -> None:
    parameters = {"stream_id": REGISTRY_STREAM.id}
    row = connection.execute(_QUERIES["last_taken_down"], parameters).fetchone()
    references: Sequence[ForeignReference] = (
        SchemaTakenDown.model_validate(row[0]).references if row else ()
    )
    for reference in references:
        name = f"{reference.table}.{reference.constraint}"
        try:
            with connection.transaction():
                _add(connection, reference)
            result.references.append(name)
        except psycopg.errors.DuplicateObject:
            continue
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
            result.broken.append(f"{name} (its table is gone)")
        except psycopg.errors.ForeignKeyViolation:
            with connection.transaction():
                _add(connection, reference, valid=False)
            result.broken.append(f"{name} (holds for new rows; some refer to no account)")


def _add(connection: Connection, reference: ForeignReference, *, valid: bool = True) -> None:
    connection.execute(
        sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {} {}").format(
            _as_is(reference.table),
            sql.Identifier(reference.constraint),
            _as_is(reference.definition.removesuffix(" NOT VALID")),
            sql.SQL("" if valid and "NOT VALID" not in reference.definition else "NOT VALID"),
        )
    )


def _as_is(text: str) -> sql.SQL:
    # Text written by PostgreSQL's own catalog functions and kept in the log.
    return sql.SQL(text)
