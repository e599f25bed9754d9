"""Scratch databases: filled for an inspection, and emptied or dropped afterwards."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from registry.database.connection import Connection, connect, registry_errors
from registry.database.embedded import EmbeddedServer
from registry.database.pooler import lends_transactions
from registry.database.queries import load_queries
from registry.database.target import Target
from registry.errors import DatabaseNotEmpty, DatabaseUnavailable, PermissionDenied, SessionNeeded
from registry.hints import Hint, Option

_QUERIES = load_queries("registry.database", "scratch.sql")


@contextlib.contextmanager
def fresh_server(major: int | None = None) -> Iterator[str]:
    """The address of an empty database in a server of its own; removed afterwards.

    `major` is a version that comes with the embedded server; the default is the newest.

    Raises:
        DatabaseUnavailable: it does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="account-registry-scratch-"))
    server = EmbeddedServer(folder, major=major)
    try:
        yield server.ensure_running()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def lent_database(address: str) -> Iterator[str]:
    """An existing empty database, at an address of the user; emptied again afterwards.

    Raises:
        DatabaseNotEmpty: it is not empty; nothing was done to it.
        PermissionDenied: the login could not empty it again.
        DatabaseUnavailable: no server answers.
        SessionNeeded: a pooler in transaction mode answers.
    """
    target = Target.of(address, "the place to restore into")
    try:
        connection = connect(target)
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(
            f"the database to restore into: {error.message}",
            hint=Hint("Check ", Option("into", ...), ", and that its server runs."),
        ) from None
    with connection, registry_errors(connection):
        if lends_transactions(connection):
            raise SessionNeeded(
                "the database to restore into is behind a pooler, and pg_restore needs a session",
                hint=Hint("Name the server itself with ", Option("into", ...), "."),
            )
        _refuse_contents(connection)
        _refuse_others(connection)
    try:
        yield target.url or ""
    finally:
        with connect(target) as connection, registry_errors(connection):
            _empty(connection)


@contextlib.contextmanager
def roles_made(address: str, names: Sequence[str]) -> Iterator[list[str]]:
    """Makes the roles that a server lacks, as roles without login; drops them afterwards.

    Raises:
        PermissionDenied: the login may not make them.
    """
    with connect(Target.of(address)) as connection, registry_errors(connection):
        rows = connection.execute(_QUERIES["missing_roles"], {"names": list(names)})
        missing = [name for (name,) in rows]
        try:
            with connection.transaction():
                for name in missing:
                    role = sql.Identifier(name)
                    connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
                    # From PostgreSQL 16 on, the maker of a role may not act as it by default.
                    connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
        except psycopg.errors.InsufficientPrivilege:
            raise PermissionDenied(
                f"roles are missing there ({', '.join(missing)}), and this login may not make them",
                hint="Let an administrator make them there (CREATE ROLE … NOLOGIN).",
            ) from None
    try:
        yield missing
    finally:
        with connect(Target.of(address)) as connection, registry_errors(connection):
            for name in missing:
                role = sql.Identifier(name)
                connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
                connection.execute(sql.SQL("DROP ROLE {}").format(role))


def _refuse_contents(connection: Connection) -> None:
    found = [name for (name,) in connection.execute(_QUERIES["contents"])]
    if found:
        others = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise DatabaseNotEmpty(
            f"the database {connection.info.dbname} is not empty: it has {found[0]}{others}",
            hint="Give the address of a new one (CREATE DATABASE … TEMPLATE template0).",
        )


def _refuse_others(connection: Connection) -> None:
    if connection.execute(_QUERIES["owned"]).fetchone() != (True,):
        raise PermissionDenied(
            f"the database {connection.info.dbname} is not this login's own",
            hint="Only its owner can empty it again afterwards.",
        )


def _empty(connection: Connection) -> None:
    """Drops the contents of the database; its schema `public` is as in a new one."""
    with connection.transaction():
        for kind in ("extensions", "schemas"):
            for (name,) in connection.execute(_QUERIES[kind]).fetchall():
                drop = sql.SQL("DROP {} {} CASCADE").format(
                    sql.SQL(kind.removesuffix("s").upper()), sql.Identifier(name)
                )
                connection.execute(drop)
        connection.execute(_QUERIES["new_public"])
        connection.execute(_QUERIES["public_for_everybody"])
