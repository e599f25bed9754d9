"""Named SQL statements from a file.

A file holds statements, each under a line `-- name: the_name`, followed by comment lines
that describe it and the statement itself.
"""

import functools
import importlib.resources
import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from registry.errors import RegistryError
from registry.hints import Command, Hint

_HEADING = re.compile(r"^-- name: ([a-z_]+)\s*$", re.MULTILINE)


@functools.cache
def load_queries(package: str, file: str = "queries.sql") -> Mapping[str, bytes]:
    """The statements of a file in a package, by name.

    Raises:
        ValueError: a name is not unique, or there is text before the first name.
    """
    text = importlib.resources.files(package).joinpath(file).read_text(encoding="utf-8")
    before, *parts = _HEADING.split(text)
    if any(line and not line.startswith("--") for line in before.splitlines()):
        raise ValueError(f"{package}/{file} starts with a statement without a name")
    names = parts[::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{package}/{file} names a statement twice")
    return {name: body.strip().encode() for name, body in zip(names, parts[1::2], strict=True)}


def read_rows(
    connection: psycopg.Connection[Any],
    statement: bytes | sql.Composed,
    parameters: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The rows as dictionaries, whatever the row factory of the connection."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, parameters).fetchall()


def one_row(cursor: psycopg.Cursor[Any]) -> Any:
    """The row of an answer that always has one.

    Raises:
        RegistryError: a row that the migrations made was deleted.
    """
    row = cursor.fetchone()
    if row is None:
        raise RegistryError(
            "the database lacks a row that it always has", hint=Hint("Run: ", Command("verify"))
        )
    return row
