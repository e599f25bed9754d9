"""Compares what the schemas of two databases consist of, thing by thing.

PostgreSQL prints a definition from what it has parsed, and not always in the same words: a
condition that was restored from a dump can read differently, and other versions qualify names
differently. So where two texts differ, the source's is put into effect in the copy, in a
transaction that is rolled back, and read again: what means the same then reads the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import psycopg

from registry.database.connection import Connection
from registry.database.queries import load_queries

_QUERIES = load_queries("registry.services.backups", "schema_comparison.sql")
_SHORT: Final = 60

_OLDER_TABLES: Final = {
    f"public.{name}"
    for name in (
        *("dexes", "symbols", "strategy_positions"),
        *("accounts", "account_exchange_credentials", "account_exchange_sharing"),
    )
}
"""Tables that may have been there before the migrations, with rules of their own."""
_WHEREVER: Final = {"function", "mode of the trigger", "owner", "right", "trigger", "view"}
_OF_OWN_TABLES: Final = {"column", "constraint", "index", "policy", "relation", "sequence"}


class Key(NamedTuple):
    """What a thing is called."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Thing(NamedTuple):
    """What a thing belongs to, and what it says."""

    relation: str
    definition: str


Schema = Mapping[Key, Thing]


@dataclass(slots=True)
class SchemaComparison:
    """What was compared, and what is not the same."""

    things: int = 0
    differences: list[str] = field(default_factory=list)


def read_schema(connection: Connection) -> Schema:
    """All that the schemas hold; the connection's search path becomes the catalogs' alone."""
    connection.execute(_QUERIES["plain_names"])
    rows = connection.execute(_QUERIES["definitions"])
    return {Key(kind, name): Thing(relation, text) for kind, name, relation, text in rows}


def made_by_migrations(schema: Schema) -> Schema:
    """What is the same wherever the migrations ran, of what they made in a new database."""
    return {
        key: thing
        for key, thing in schema.items()
        if key.kind in _WHEREVER
        or (key.kind in _OF_OWN_TABLES and thing.relation not in _OLDER_TABLES)
        or key == ("policy", "registry_bots_own on public.strategy_positions")
    }


def compare_schemas(source: Schema, copy: Connection, *, all_of_it: bool) -> SchemaComparison:
    """What the copy lacks, has otherwise, or (if the source is `all_of_it`) has beside."""
    there = read_schema(copy)
    differences = [f"missing: {key}" for key in sorted(source.keys() - there.keys())]
    if all_of_it:
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


# ---------------------------------------------------------------- the same in other words


def _of_relation(what: str, create: str) -> Callable[[Key, Thing], list[str]]:
    """Drops what hangs on a relation, and makes it as the source has it."""

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
"""Kind -> what makes it as the source has it, in the place of what is there."""


def _again(copy: Connection, key: Key, wanted: Thing) -> str | None:
    """How the copy words a definition of the source; None if it cannot have it."""
    if key.kind not in _REMADE:
        return None
    try:
        with copy.transaction(force_rollback=True):
            for statement in _REMADE[key.kind](key, wanted):
                # The source's own words, which a restore would run here just as well.
                copy.execute(statement.encode())
            rows = copy.execute(_QUERIES["definitions"]).fetchall()
    except psycopg.Error:
        return None
    return next((text for kind, name, _, text in rows if (kind, name) == key), None)
