"""Opens the registry: a connection on demand, to a database with the right schema."""

import contextlib
from collections.abc import Iterator
from typing import Protocol

from registry.database.connection import Connection, Database, check_schema, connect, connect_once
from registry.database.patience import Notice, patiently
from registry.database.target import Target
from registry.errors import NotMigrated, SchemaTooNew
from registry.hints import Command, Hint
from registry.plurals import counted


class AtTarget(Database, Protocol):
    """Connections to the database of an address."""

    @property
    def target(self) -> Target:
        """The address."""


class SingleConnection:
    """One connection, opened on first use, and again after it was lost."""

    def __init__(self, target: Target, notice: Notice = lambda _: None) -> None:
        self.target = target
        self._notice = notice
        self._connection: Connection | None = None

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """See `Database.connection`."""
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = open_registry(self.target, self._notice)
        yield self._connection

    def close(self) -> None:
        """Closes the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()


class NewerToo:
    """The same database, even if a newer program has migrated it: for what takes power away."""

    def __init__(self, database: AtTarget) -> None:
        self._database = database

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """See `Database.connection`."""
        with contextlib.ExitStack() as stack:
            try:
                connection = stack.enter_context(self._database.connection())
            except SchemaTooNew:
                connection = stack.enter_context(connect(self._database.target))
                with contextlib.suppress(SchemaTooNew):
                    check_schema(connection)
            yield connection


def open_registry(target: Target, notice: Notice = lambda _: None) -> Connection:
    """A connection to a database whose schema fits; a new embedded one is migrated first.

    Raises:
        DatabaseUnavailable: no server answers in time.
        NotMigrated: migrations are missing.
        SchemaTooNew: the schema is of a newer version of this program.
    """
    return patiently(lambda: open_once(target, notice), notice)


def open_once(target: Target, notice: Notice) -> Connection:
    """Like `open_registry`, but does not wait for a server that is not ready."""
    connection = connect_once(target, notice)
    try:
        check_schema(connection)
    except NotMigrated as error:
        # Never after `migrate down`: empty tables would look like lost accounts.
        if not target.embedded or error.taken_down:
            connection.close()
            raise
        from registry.database.migrator import Migrator
        from registry.database.outside import will_be_stopped

        if stopped := will_be_stopped(connection):
            connection.close()
            raise NotMigrated(
                f"a migration refuses what is in use: {'; '.join(stopped)}",
                hint=Hint("Change that first, or migrate all the same: ", Command("migrate", "up")),
            ) from None
        applied = Migrator(connection).up()
        if applied:
            notice(f"Migrated the embedded database: {counted(len(applied), 'migration')}.")
        check_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection
