"""Opens and checks connections, and translates their errors.

The rest of the program holds a `Database`. The command line uses one connection
(`opening`); a long-running program opens connections on demand (`pool`).
"""

import contextlib
import datetime as dt
import logging
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from registry.database.errors import (
    LOCK_NOT_AVAILABLE,
    READ_ONLY,
    connection_lost,
    no_writes,
    translate,
)
from registry.database.migration_files import LAST_KEPT, known_numbers
from registry.database.patience import Notice, patiently
from registry.database.queries import load_queries, one_row, read_rows
from registry.database.refusals import not_connected, only_reads
from registry.database.target import Target
from registry.database.watched import WatchedConnection
from registry.errors import DatabaseUnavailable, InvalidInput, NotMigrated, SchemaTooNew
from registry.hints import Command, Hint
from registry.machine import APPLICATION

Connection: TypeAlias = psycopg.Connection[Any]
# The driver's remarks during cleanup belong in a program's log, not on a terminal. That it left a
# pipeline after an error says nothing: the error itself is told, or the command is decided again.
logging.getLogger("psycopg").addHandler(logging.NullHandler())
logging.getLogger("psycopg").addFilter(lambda record: "terminating" not in str(record.msg))

_CONNECT_SECONDS: Final = 10
_PREPARED_FROM: Final = 5
"""So many executions make it worth while to prepare a statement."""
_VARIABLES: Final = {
    "application_name": "PGAPPNAME",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}

_QUERIES = load_queries(__package__ or "registry.database")
_LOCKS = load_queries("registry.database", "locks.sql")


class Database(Protocol):
    """Provides open connections in autocommit mode, to a database with the right schema."""

    def connection(self) -> contextlib.AbstractContextManager[Connection]:
        """A connection for one piece of work.

        Raises:
            DatabaseUnavailable: no server answers.
            NotMigrated: migrations are missing.
            SchemaTooNew: the schema is of a newer version of this program.
        """


def address_of(target: Target, notice: Notice = lambda _: None) -> str:
    """The address to connect to; starts the embedded server if that is the target.

    Raises:
        DatabaseUnavailable: the embedded server cannot be started.
    """
    if target.url is not None:
        return target.url
    from registry.database.embedded import EmbeddedServer

    return EmbeddedServer(notice=notice).ensure_running()


def connect(target: Target, notice: Notice = lambda _: None) -> Connection:
    """A connection in autocommit mode, without a check of the schema.

    Raises:
        DatabaseUnavailable: no server answers in time, or it refuses the login.
    """
    return patiently(lambda: connect_once(target, notice), notice)


def connect_once(target: Target, notice: Notice = lambda _: None) -> Connection:
    """Like `connect`, but does not wait for a server that is not ready."""
    url = address_of(target, notice)
    started = time.monotonic()
    try:
        return _connected(url, connection_options(url))
    except (psycopg.ProgrammingError, UnicodeError):  # libpq cannot read it, and quotes it
        raise DatabaseUnavailable(
            "DATABASE_URL is not a valid connection string",
            hint="It may name an option behind the ? that libpq does not know: see its list of "
            "connection parameters.",
        ) from None
    except psycopg.OperationalError as error:
        raise not_connected(error, time.monotonic() - started) from None


def _connected(url: str, options: dict[str, Any]) -> Connection:
    try:
        connection = WatchedConnection.connect(url, **options)
    except psycopg.OperationalError as error:
        if "target_session_attrs" not in options or not only_reads(error):
            raise
        # None of the servers takes writes; a command that only reads can use any of them.
        connection = WatchedConnection.connect(url, **{**options, "target_session_attrs": "any"})
    connection.is_one_of_several = _hosts(conninfo_to_dict(url)) > 1
    return connection


def connect_unchecked(target: Target, notice: Notice = lambda _: None) -> Connection:
    """Like `connect`, set up to change a schema that this program may not know."""
    connection = connect(target, notice)
    with registry_errors(connection):
        _note_pooler(connection, _send_session(connection))
    return connection


def check_schema(connection: Connection) -> None:
    """Sets up the session, and compares the schema with the migrations of this program.

    Raises:
        NotMigrated: migrations are missing.
        SchemaTooNew: the database has migrations that this program does not know.
    """
    try:
        with connection.pipeline():
            session = _send_session(connection)
            cursor = connection.execute(_QUERIES["schema_state"])
        _note_pooler(connection, session)
        newest, applied = one_row(cursor)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        _refuse_lost_records(connection)
        newest = applied = 0
    except psycopg.Error as error:
        raise translate(error) from error
    known = known_numbers()
    if newest > known[-1]:
        raise SchemaTooNew(
            f"the database is at migration {newest:03}, and this program knows {known[-1]:03}",
            hint="Update account-registry on this machine.",
        )
    if applied < len(known):
        taken_down = 0 < applied <= LAST_KEPT
        what = "has no registry yet" if not applied else f"is at {newest:03} of {known[-1]:03}"
        raise NotMigrated(
            f"the database {what}",
            hint=Hint(
                "Run: ", Command("migrate", "up"), " (it rebuilds every row)" if taken_down else ""
            ),
            taken_down=taken_down,
        )


def _send_session(connection: Connection) -> psycopg.Cursor[Any]:
    return connection.execute(_QUERIES["session"], {"pid": connection.info.backend_pid})


def _note_pooler(connection: Connection, session: psycopg.Cursor[Any]) -> None:
    if isinstance(connection, WatchedConnection):
        (connection.is_pooled, *_) = one_row(session)
        connection.prepare_threshold = None if connection.is_pooled else _PREPARED_FROM


def _refuse_lost_records(connection: Connection) -> None:
    if one_row(connection.execute("SELECT to_regclass('public.audit_head') IS NOT NULL"))[0]:
        raise NotMigrated(
            "the table registry_migrations is missing, or lacks a column",
            hint=Hint("Make it again: ", Command("migrate", "repair")),
        )


def refuse_standby(connection: Connection) -> None:
    """Refuses to decide anything on a standby.

    Its data may be older than an acknowledged change: a new account may be missing there, and
    a command about it would be refused for ever.

    Raises:
        DatabaseUnavailable: it is a standby. The connection is closed, to find another server.
    """
    if is_standby(connection):
        error = no_writes(connection)
        connection.close()
        raise error


def is_pooled(connection: Connection) -> bool:
    """Whether a pooler is between this program and the server: it has process ids of its own."""
    if not isinstance(connection, WatchedConnection):
        return False
    if connection.is_pooled is None:
        (pid,) = one_row(connection.execute("SELECT pg_backend_pid()"))
        connection.is_pooled = pid != connection.info.backend_pid
    return connection.is_pooled


def begin(connection: Connection) -> None:
    """Begins a transaction in a pipeline, with the limit of `WatchedConnection.transaction`."""
    connection.execute("BEGIN")
    if isinstance(connection, WatchedConnection):
        connection.limit_waits()


def append_rows(
    connection: Connection, statement: bytes, parameters: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The rows of a statement that appends, and waits for the log as long as a session may."""
    if not is_pooled(connection):
        return read_rows(connection, statement, parameters)
    with connection.cursor(row_factory=dict_row) as cursor:
        with connection.pipeline():
            begin(connection)
            cursor.execute(statement, parameters)
            connection.execute("COMMIT")
        return cursor.fetchall()


def is_standby(connection: Connection) -> bool:
    """Whether the server only follows another one; what a pooler says of it may be old."""
    if is_pooled(connection):
        return bool(one_row(connection.execute("SELECT pg_is_in_recovery()"))[0])
    return connection.info.parameter_status("in_hot_standby") == "on"


def may_read_tokens(connection: Connection) -> bool:
    """Whether the login may read the log itself, encrypted fields included; an auditor may not."""
    statement = "SELECT has_table_privilege('public.audit_events', 'SELECT')"
    return bool(one_row(connection.execute(statement))[0])


@contextlib.contextmanager
def registry_errors(connection: Connection) -> Iterator[None]:
    """Turns database errors into the registry's, and leaves no transaction open.

    Raises:
        RegistryError: as `registry.database.errors.translate` says.
        InvalidInput: a text is not valid Unicode.
        CommandApplied: the log holds the command already.
    """
    try:
        yield
    except psycopg.Error as error:
        told: Exception | None = no_writes(connection) if error.sqlstate == READ_ONLY else None
        if connection_lost(error):
            connection.close()  # to a server that only reads too: another may take writes
        _roll_back(connection, forget_prepared=True)
        told = told or translate(error, _in_the_way(connection, error))
        if isinstance(told, NotMigrated):
            with contextlib.suppress(psycopg.Error):
                check_schema(connection)  # says more, if it was taken down meanwhile
        raise told from error
    except UnicodeEncodeError:
        _roll_back(connection)
        raise InvalidInput("a text holds half a character, which UTF-8 cannot carry") from None
    except (KeyboardInterrupt, SystemExit):
        connection.close()  # a rollback would wait for a server that may not answer
        raise
    except BaseException:
        _roll_back(connection)
        raise


def sessions_in_the_way(connection: Connection) -> str:
    """Who else holds the log, or may hold locks of the registry; empty if there is nobody."""
    rows = connection.execute(_LOCKS["in_the_way"]).fetchall()
    told = [f"session {pid} of {role} ({name or 'no name'})" for pid, role, name in rows]
    return ", ".join(told + [prepared for prepared, _, _ in prepared_transactions(connection)])


def prepared_transactions(connection: Connection) -> list[tuple[str, dt.datetime, str]]:
    """The transactions prepared for two-phase commit, since when, and what ends them."""
    return connection.execute(_LOCKS["prepared"]).fetchall()


def _in_the_way(connection: Connection, error: psycopg.Error) -> str:
    told = ""
    if error.sqlstate == LOCK_NOT_AVAILABLE and not connection.closed:
        with contextlib.suppress(psycopg.Error):
            told = sessions_in_the_way(connection)
        _roll_back(connection)
    return f": {told}" if told else ""


def _roll_back(connection: Connection, *, forget_prepared: bool = False) -> None:
    if connection.closed:
        return
    with contextlib.suppress(psycopg.Error):
        # An error in a pipeline also skips the preparing of the statements behind it, and
        # psycopg takes them for prepared until a rollback by its own method.
        idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        if idle and forget_prepared:
            connection.execute("BEGIN")
        if not idle or forget_prepared:
            connection.rollback()


def connection_options(url: str) -> dict[str, Any]:
    """The options of every connection, except those set by the address or libpq's variables."""
    given = conninfo_to_dict(url)
    hosts = _hosts(given)
    # Within these seconds the loss of a server or network is noticed. Settings of the server
    # (`options`) are left out: poolers refuse them.
    wanted = {
        "application_name": APPLICATION,
        "connect_timeout": max(2, _CONNECT_SECONDS // hosts),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }
    if hosts > 1:
        wanted["target_session_attrs"] = "read-write"
    said = {*given, *(name for name, variable in _VARIABLES.items() if os.environ.get(variable))}
    free = {name: value for name, value in wanted.items() if name not in said}
    # Nothing is prepared until it is known that no pooler gives the session to others.
    return {"autocommit": True, "prepare_threshold": None, "client_encoding": "UTF8", **free}


def _hosts(given: Mapping[str, Any]) -> int:
    return str(given.get("host") or os.environ.get("PGHOST", "")).count(",") + 1
