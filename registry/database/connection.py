"""Connections: how they are made and checked, and what their errors become.

A `Database` is what the rest of the program holds. The command line uses one connection
(`opening`); a long-running program uses a pool.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

import psycopg
from psycopg.conninfo import make_conninfo

from registry.database.errors import translate
from registry.database.migration_files import LAST_KEPT, known_numbers
from registry.database.queries import load_queries
from registry.database.target import Target
from registry.errors import DatabaseUnavailable, InvalidInput, NotMigrated, SchemaTooNew
from registry.folders import APPLICATION

Connection: TypeAlias = psycopg.Connection[Any]
Notice: TypeAlias = Callable[[str], None]
"""Told what happens beside the answer, such as that the embedded server is set up."""

_QUERIES = load_queries(__package__ or "registry.database")


class Database(Protocol):
    """Hands out connections that are open, in autocommit mode and of the right schema."""

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
    """A connection in autocommit mode, without a look at the schema.

    Raises:
        DatabaseUnavailable: no server answers, or it refuses the login.
    """
    url = address_of(target, notice)
    try:
        return psycopg.connect(url, **connection_options(url))
    except (psycopg.ProgrammingError, UnicodeError):  # libpq cannot read it, and quotes it
        raise DatabaseUnavailable(
            "DATABASE_URL is not a valid connection string",
            hint="It may name an option behind the ? that libpq does not know: see its list of "
            "connection parameters.",
        ) from None
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(
            f"cannot reach the database: {_first_line(error)}",
            hint="Check DATABASE_URL and that the server runs; "
            "unset DATABASE_URL to use the embedded database.",
        ) from None


def check_schema(connection: Connection) -> None:
    """Sets the session up and compares the schema with what this program knows.

    Raises:
        NotMigrated: migrations are missing.
        SchemaTooNew: the database has migrations that this program does not know.
    """
    try:
        with connection.pipeline():
            connection.execute(_QUERIES["session"])
            cursor = connection.execute(_QUERIES["schema_state"])
        newest, applied = cursor.fetchone() or (0, 0)
    except psycopg.errors.UndefinedTable:
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
            hint="Run: account-registry migrate up"
            + (" (it rebuilds every row)" if taken_down else ""),
            taken_down=taken_down,
        )


@contextlib.contextmanager
def registry_errors(connection: Connection) -> Iterator[None]:
    """Turns database errors into the registry's, and leaves no transaction open.

    Raises:
        RegistryError: as `registry.database.errors.translate` says.
        InvalidInput: a text cannot be sent, for it is not Unicode.
        CommandApplied: the log holds the command already.
    """
    try:
        yield
    except psycopg.Error as error:
        _roll_back(connection, forget_prepared=True)
        raise translate(error) from error
    except UnicodeEncodeError:
        _roll_back(connection)
        raise InvalidInput("a text holds half a character, which UTF-8 cannot carry") from None
    except BaseException:
        _roll_back(connection)
        raise


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
    """What every connection has beside its address."""
    options: dict[str, Any] = {"autocommit": True, "client_encoding": "UTF8"}
    if "application_name" not in url and not os.environ.get("PGAPPNAME"):
        options["application_name"] = APPLICATION
    if "connect_timeout" not in url and not os.environ.get("PGCONNECT_TIMEOUT"):
        options["connect_timeout"] = 10
    return options


def address_of_same_server(connection: Connection, database: str | None = None) -> str:
    """The address of the server that the connection has reached, although its own may name several.

    `database` is the database there, by default the connection's. The address holds the
    password, so it must not be shown.
    """
    info = connection.info
    reached = {"host": info.host, "port": str(info.port), "dbname": database or info.dbname}
    if info.password:
        reached["password"] = info.password
    return make_conninfo(**{**info.get_parameters(), **reached})


def _first_line(error: Exception) -> str:
    # libpq's text names host, port and user, never the password.
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
