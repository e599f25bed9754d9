"""Compares the schemas of two databases, object by object.

PostgreSQL prints a definition from its parse tree, and not always in the same words. A restored
condition can read differently, and versions qualify names differently. So if two texts differ,
the source's definition is executed in the copy, read again, and rolled back. Equal definitions
then have equal texts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import psycopg

from registry.database.connection import Connection
from registry.database.objects import Key, Schema, Thing, read_schema
from registry.database.queries import load_queries

_QUERIES = load_queries("registry.database", "objects.sql")
_SHORT: Final = 60


@dataclass(slots=True)
class SchemaComparison:
    """The number of compared objects, and their differences."""

    things: int = 0
    differences: list[str] = field(default_factory=list)


def compare_schemas(source: Schema, copy: Connection) -> SchemaComparison:
    """Differences: missing from the copy, changed in it, or extra."""
    with copy.transaction():  # in which `read_schema` makes names plain
        there = read_schema(copy)
        differences = [f"missing: {key}" for key in sorted(source.keys() - there.keys())]
        differences += [f"extra: {key}" for key in sorted(there.keys() - source.keys())]
        for key in sorted(source.keys() & there.keys()):
            wanted, found = source[key], there[key]
            if wanted != found and _again(copy, key, wanted) != found.definition:
                differences.append(f"changed: {key}{_in_short(wanted, found)}")
    return SchemaComparison(len(source), differences)


def _in_short(wanted: Thing, found: Thing) -> str:
    texts = (found.definition, wanted.definition)
    if any(not text or len(text) > _SHORT or "\n" in text for text in texts):
        return ""
    return f": {found.definition}, and not {wanted.definition}"


# ---------------------------------------------------------------- equal definitions


def _of_relation(what: str, create: str) -> Callable[[Key, Thing], list[str]]:
    """Makes statements that drop an object of a relation, and create it as in the source."""

    def statements(key: Key, wanted: Thing) -> list[str]:
        name = key.name.removesuffix(f" on {wanted.relation}")
        texts = {"name": name, "relation": wanted.relation, "definition": wanted.definition}
        return [f"DROP {what} {key.name}", create.format_map(texts)]

    return statements


def _check(key: Key, wanted: Thing) -> list[str]:
    table, name = wanted.relation, key.name.removesuffix(f" on {wanted.relation}")
    return [
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {wanted.definition}",
    ]


_REMADE: Final[Mapping[str, Callable[[Key, Thing], list[str]]]] = {
    "function": lambda _, wanted: [wanted.definition],
    "view": lambda key, wanted: [f"CREATE OR REPLACE VIEW {key.name} AS {wanted.definition}"],
    "materialized view": lambda key, wanted: [
        f"DROP MATERIALIZED VIEW {key.name}",
        f"CREATE MATERIALIZED VIEW {key.name} AS {wanted.definition} WITH NO DATA",
    ],
    "index": lambda key, wanted: [f"DROP INDEX {key.name}", wanted.definition],
    "constraint": _check,
    "trigger": _of_relation("TRIGGER", "{definition}"),
    "policy": _of_relation("POLICY", "CREATE POLICY {name} ON {relation}{definition}"),
    "rule": _of_relation("RULE", "{definition}"),
}
"""Kind -> statements that replace an object by the definition of the source."""


def _again(copy: Connection, key: Key, wanted: Thing) -> str | None:
    """The copy's text of a definition of the source; None if it cannot be executed there."""
    if key.kind not in _REMADE:
        return None
    try:
        with copy.transaction(force_rollback=True):
            for statement in _REMADE[key.kind](key, wanted):
                # SQL from the source, which a restore would execute here as well.
                copy.execute(statement.encode())
            rows = copy.execute(_QUERIES["definitions"]).fetchall()
    except psycopg.Error:
        return None
    return next((text for kind, name, _, text in rows if (kind, name) == key), None)
