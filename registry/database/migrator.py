"""Migrates the schema up and down, under a lock."""

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from registry.database.connection import Connection, registry_errors
from registry.database.legacy import check_legacy_tables
from registry.database.migration_files import LAST_KEPT, Migration, load_migrations
from registry.database.own_login import may_not_migrate
from registry.database.queries import load_queries
from registry.errors import InvalidInput, MigrationChanged, PermissionDenied, SchemaTooNew

_QUERIES = load_queries("registry.database", "migrations.sql")
_LOCKS = load_queries("registry.database", "locks.sql")

PROJECTIONS: Final = 6
"""The migration that makes the projected tables, or takes over existing ones."""


@dataclass(frozen=True, slots=True)
class AppliedMigration:
    """The database's record of an applied migration."""

    number: int
    name: str
    checksum: str
    applied_at: dt.datetime


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """A migration as the program and the database see it."""

    number: int
    name: str
    applied_at: dt.datetime | None


class Migrator:
    """Knows the migrations of the program and those of one database."""

    def __init__(
        self, connection: Connection, migrations: tuple[Migration, ...] | None = None
    ) -> None:
        self._connection = connection
        self._migrations = load_migrations() if migrations is None else migrations

    def status(self) -> list[MigrationStatus]:
        """Each migration, and when it was applied.

        Raises:
            MigrationChanged: an applied file was changed afterwards.
            SchemaTooNew: the database knows migrations that the program does not.
        """
        applied = self._applied()
        return [
            MigrationStatus(
                m.number, m.name, applied[m.number].applied_at if m.number in applied else None
            )
            for m in self._migrations
        ]

    def has_applied(self, number: int) -> bool:
        """Whether the database has this migration; errors as `status`."""
        return number in self._applied()

    def run_all_again(self) -> None:
        """Runs every file again, which is safe, and records all of them anew."""
        self._connection.execute(_QUERIES["drop_table"])
        self._connection.execute(_QUERIES["create_table"])
        for migration in self._migrations:
            self._run(migration.up_sql, "record", migration)

    def up(self) -> list[Migration]:
        """Applies the missing migrations, oldest first, and returns them.

        Each migration is a transaction of its own. But if `PROJECTIONS` is among them, all are
        one transaction, so that a bot's own tables are never left half migrated.

        Raises:
            LegacyInTheWay: tables that were made by hand cannot be taken over.
            MigrationChanged: an applied file was changed afterwards.
            SchemaTooNew: the database knows migrations that the program does not.
        """
        with self.locked():
            missing = [m for m in self._migrations if m.number not in self._applied()]
            if not missing:
                return []
            comes_in = any(m.number == PROJECTIONS for m in missing)
            with self._connection.transaction() if comes_in else contextlib.nullcontext():
                if comes_in:
                    check_legacy_tables(self._connection)
                self._connection.execute(_QUERIES["create_table"])
                for migration in missing:
                    self._run(migration.up_sql, "record", migration)
        return missing

    def down(self, *, keep: int = LAST_KEPT, destroy_log: bool = False) -> list[Migration]:
        """Undoes the migrations above number `keep`, newest first, and returns them.

        Raises:
            InvalidInput: that would destroy the log, and `destroy_log` is false.
            MigrationChanged: an applied file was changed afterwards.
        """
        if keep < LAST_KEPT and not destroy_log:
            raise InvalidInput(
                f"going down below {LAST_KEPT:03} would destroy the log and the keys",
                hint="Only a purge destroys them, on purpose.",
            )
        with self.locked():
            applied = self._applied()
            present = [
                m for m in reversed(self._migrations) if m.number in applied and m.number > keep
            ]
            for migration in present:
                self._run(migration.down_sql, "forget", migration)
        return present

    def _run(self, sql: str, bookkeeping: str, migration: Migration) -> None:
        parameters = {
            "number": migration.number,
            "name": migration.name,
            "checksum": migration.checksum,
        }
        try:
            with registry_errors(self._connection), self._connection.transaction():
                # Without parameters, so that a file may hold many statements.
                self._connection.execute(sql.encode())
                self._connection.execute(_QUERIES[bookkeeping], parameters)
        except PermissionDenied as error:
            raise may_not_migrate(self._connection) or error from None

    def _applied(self) -> dict[int, AppliedMigration]:
        rows: list[Any] = []
        absent = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)
        with contextlib.suppress(*absent), self._connection.transaction():
            rows = self._connection.execute(_QUERIES["applied"]).fetchall()
        applied = {row[0]: AppliedMigration(*row) for row in rows}
        known = {m.number: m for m in self._migrations}
        unknown = sorted(applied.keys() - known.keys())
        if unknown:
            raise SchemaTooNew(
                f"the database has migration {unknown[-1]:03}, which this program does not know",
                hint="Update account-registry on this machine.",
            )
        for number, migration in applied.items():
            if known[number].checksum != migration.checksum:
                raise MigrationChanged(
                    f"{known[number].file_name} was changed after it was applied",
                    hint="Restore the file as it was and put the change into a new migration.",
                )
        return applied

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the lock that everybody takes who changes the schema."""
        with registry_errors(self._connection):
            self._connection.execute(_LOCKS["lock_migrations"])
            try:
                yield
            finally:
                if not self._connection.closed:
                    self._connection.execute(_LOCKS["unlock_migrations"])
