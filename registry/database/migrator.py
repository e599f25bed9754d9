"""Migrates the schema up and down, each step in a transaction that holds a lock."""

import contextlib
import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from registry.database.connection import Connection, registry_errors, sessions_in_the_way
from registry.database.legacy import check_legacy_tables
from registry.database.migration_files import LAST_KEPT, Migration, load_migrations
from registry.database.own_login import may_not_migrate
from registry.database.queries import load_queries, one_row
from registry.errors import InvalidInput, MigrationChanged, PermissionDenied, SchemaTooNew

log = logging.getLogger(__name__)

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
        done: list[Migration] = []
        while applied := self._step_up():
            done += applied
        return done

    def _step_up(self) -> list[Migration]:
        with self.locked():
            missing = [m for m in self._migrations if m.number not in self._applied()]
            comes_in = any(m.number == PROJECTIONS for m in missing)
            now = missing if comes_in else missing[:1]
            if comes_in:
                check_legacy_tables(self._connection)
            if now:
                self._connection.execute(_QUERIES["create_table"])
            for migration in now:
                self._run(migration.up_sql, "record", migration)
        return now

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
        done: list[Migration] = []
        for migration in reversed(self._migrations):
            with self.locked():
                if migration.number > keep and migration.number in self._applied():
                    self._run(migration.down_sql, "forget", migration)
                    done.append(migration)
        return done

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
        """A transaction that holds the lock that everybody takes who changes the schema."""
        with registry_errors(self._connection), self._connection.transaction():
            if not one_row(self._connection.execute(_LOCKS["try_lock_migrations"]))[0]:
                others = sessions_in_the_way(self._connection) or "one that has just ended"
                log.warning("waiting for another migration: %s", others)
                self._connection.execute(_LOCKS["lock_migrations"])
            yield
