"""Login roles on a database's server, with random names and passwords, dropped afterwards."""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo


@dataclass(frozen=True, slots=True)
class LoginRole:
    """A role, and its address of a test's database."""

    name: str
    address: str

    def connect(self) -> psycopg.Connection[Any]:
        """A connection as this role, in autocommit mode."""
        return psycopg.connect(self.address, autocommit=True)


@contextlib.contextmanager
def login_role(database_url: str, *memberships: str) -> Iterator[LoginRole]:
    """A new login role that is a member of these roles."""
    name = f"test_{secrets.token_hex(6)}"
    password = secrets.token_urlsafe(16)
    with psycopg.connect(database_url, autocommit=True) as server:
        server.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(name), sql.Literal(password)
            )
        )
        for role in memberships:
            server.execute(
                sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(name))
            )
    try:
        yield LoginRole(name, make_conninfo(database_url, user=name, password=password))
    finally:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [name]
            )
            connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
