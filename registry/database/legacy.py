"""Checks whether the schema can take over tables that a bot's owner made by hand."""

from typing import Any, Final

from projections import TABLES
from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.errors import LegacyInTheWay
from registry.hints import Command, Hint

_QUERIES = load_queries("registry.database", "legacy.sql")
_BOTS_OWN: Final = ("status", "size_usd")
"""The bot's own columns of positions that the limits of an account use."""


def check_legacy_tables(connection: Connection) -> None:
    """Looks for obstacles that a migration could not solve without guessing; changes nothing.

    Raises:
        LegacyInTheWay: there are obstacles; the message lists all of them.
    """
    found = [row[0] for row in connection.execute(_QUERIES["obstacles"], _wanted())]
    if found:
        raise LegacyInTheWay(
            f"the tables that are there cannot be taken over: {'; '.join(found)}",
            hint=Hint(
                "Nothing was changed. Alter this by hand (a trigger can be disabled, a column "
                "given a default), and run: ",
                Command("migrate", "up"),
            ),
        )


def _wanted() -> dict[str, list[Any]]:
    """The columns that such tables must have, or may have only in the registry's form."""
    wanted: list[tuple[str, str, str | None, bool]] = [
        (table.name, name, _type_name(column.type), column.original)
        for table in TABLES
        if table.declared[table.key].original
        for name, column in table.declared.items()
    ]
    wanted += [("strategy_positions", name, None, True) for name in _BOTS_OWN]
    names = ("tables", "columns", "types", "originals")
    return {
        name: list(values) for name, values in zip(names, zip(*wanted, strict=True), strict=True)
    }


def _type_name(declared: str) -> str:
    """The type's name as in PostgreSQL's `format_type`."""
    kind, _, length = declared.partition("(")
    named = {"varchar": "character varying", "timestamp": "timestamp without time zone"}
    return named.get(kind, kind) + (f"({length}" if length else "")
