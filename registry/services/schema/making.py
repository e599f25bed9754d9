"""The statements that make an object of the schema, from its definition."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from projections import TABLES
from registry.database.migration_files import load_migrations
from registry.database.objects import BOTS, Difference, Key, column_of, made_by_migrations, right_of

Way = list[str]
"""Statements that are executed together."""

_REFILLED: Final = {f"public.{table.name}" for table in TABLES if not table.partial}
_NO_OPTIONS: Final = "RESET (security_barrier, security_invoker, check_option)"


def ways_to_make(difference: Difference) -> Iterable[Way]:
    """The ways to make an object as it should be; the first that the database accepts is taken."""
    return _MAKING[difference.key.kind](difference)


def _role(d: Difference) -> list[Way]:
    if d.kind == "missing":
        return [[f"CREATE ROLE {d.key.name} NOLOGIN"]]
    return [[f"ALTER ROLE {d.key.name} NOSUPERUSER NOBYPASSRLS"]]


def _relation(d: Difference) -> list[Way]:
    name, wanted = d.key.name, d.wanted.definition
    if wanted.startswith("view"):
        query = made_by_migrations()[Key("view", name)].definition
        make = f"CREATE VIEW {name} AS {query}"
        return [[make if d.kind == "missing" else f"ALTER VIEW {name} {_NO_OPTIONS}"]]
    if d.kind == "missing" and name in BOTS:
        return [[load_migrations()[0].up_sql]]
    unlogged, secured = "unlogged" in wanted, "security on" in wanted
    if d.kind == "missing":
        options = re.search(r" with (.*)", wanted)
        storage = f" WITH ({options[1]})" if options else ""
        return [[f"CREATE {'UNLOGGED ' if unlogged else ''}TABLE {name} (){storage}"]]
    return [
        [
            f"ALTER TABLE {name} SET {'UNLOGGED' if unlogged else 'LOGGED'}",
            f"ALTER TABLE {name} {'ENABLE' if secured else 'DISABLE'} ROW LEVEL SECURITY",
            f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY",
        ]
    ]


def _view(d: Difference) -> list[Way]:
    replace = f"CREATE OR REPLACE VIEW {d.key.name} AS {d.wanted.definition}"
    return [[replace], [f"DROP VIEW {d.key.name}", replace]]


def _column(d: Difference) -> list[Way]:
    table, name = d.wanted.relation, d.key.name.removeprefix(f"{d.wanted.relation}.")
    kind, filled, default = column_of(d.wanted.definition)
    # Without NOT NULL: the rows that are there are filled first, and then this is a changed one.
    add = f"ALTER TABLE {table} ADD COLUMN {name} {kind}" + (
        f" DEFAULT {default}" if default else ""
    )
    if d.found is None:
        is_key = table in _REFILLED and name == "id"
        return [[_empty(table), add] if is_key else [add]]
    alter = f"ALTER TABLE {table} ALTER COLUMN {name}"
    rest = [
        f"{alter} SET DEFAULT {default}" if default else f"{alter} DROP DEFAULT",
        f"{alter} {'SET' if filled else 'DROP'} NOT NULL",
    ]
    kind_there = column_of(d.found.definition)[0]
    if kind == kind_there:
        return [rest]
    no_views = [
        f"DROP VIEW IF EXISTS {key.name}"
        for key, thing in made_by_migrations().items()
        if key.kind == "view" and f"{table} " in f"{thing.definition} "
    ]
    convert = [
        _refuse_loss(table, name, kind, kind_there),
        f"{alter} DROP DEFAULT",
        f"{alter} TYPE {kind} USING {name}::{kind}",
    ]
    ways = [[*convert, *rest], [*no_views, *convert, *rest]]
    if table in _REFILLED:  # its values follow from the log
        ways.append([*no_views, f"ALTER TABLE {table} DROP COLUMN {name}", add])
    return ways


def _empty(table: str) -> str:
    """Deletes rows without ids, which the log has too; but not values of somebody's own."""
    ours = ", ".join(
        f"'{key.name.removeprefix(f'{table}.')}'"
        for key, thing in made_by_migrations().items()
        if key.kind == "column" and thing.relation == table
    )
    return f"""DO $empty$ BEGIN
        IF EXISTS (
            SELECT FROM pg_attribute AS a
            WHERE a.attrelid = '{table}'::regclass AND a.attnum > 0 AND NOT a.attisdropped
                AND quote_ident(a.attname) NOT IN ({ours})
        ) THEN
            RAISE EXCEPTION USING ERRCODE = 'data_exception',
                MESSAGE = 'rows without ids would lose what columns of your own hold';
        END IF;
        ALTER TABLE {table} DISABLE TRIGGER USER;
        DELETE FROM {table};
        ALTER TABLE {table} ENABLE TRIGGER USER; END $empty$"""  # noqa: S608 - a migration's name


def _refuse_loss(table: str, column: str, kind: str, kind_there: str) -> str:
    """A statement that fails if a value would be another one in the type that it should have."""
    return f"""DO $check$ BEGIN
        IF EXISTS (
            SELECT FROM {table} AS t
            WHERE t.{column}::{kind}::{kind_there}::text IS DISTINCT FROM t.{column}::text
        ) THEN
            RAISE EXCEPTION USING ERRCODE = 'data_exception',
                MESSAGE = 'the type {kind} would change values of {column}';
        END IF; END $check$"""  # noqa: S608 - names of the migrations


def _constraint(d: Difference) -> list[Way]:
    table, name = d.wanted.relation, d.key.name.removesuffix(f" on {d.wanted.relation}")
    add = f"ALTER TABLE {table} ADD CONSTRAINT {name} {d.wanted.definition}"
    return [[f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}", add]]


def _mode(d: Difference) -> list[Way]:
    name = d.key.name.removesuffix(f" on {d.wanted.relation}")
    return [[f"ALTER TABLE {d.wanted.relation} ENABLE TRIGGER {name}"]]


def _policy(d: Difference) -> list[Way]:
    name = d.key.name.removesuffix(f" on {d.wanted.relation}")
    create = f"CREATE POLICY {name} ON {d.wanted.relation}{d.wanted.definition}"
    return [[f"DROP POLICY IF EXISTS {d.key.name}", create]]


def _owner(d: Difference) -> list[Way]:
    thing = d.wanted.relation
    kind = "FUNCTION" if thing.endswith(")") else "TABLE"
    give = f"ALTER {kind} {thing} OWNER TO registry_owner"
    return [[give, f"GRANT ALL ON {kind} {thing} TO registry_owner"]]


def _right(d: Difference) -> list[Way]:
    privilege, thing, grantee = right_of(d.key.name)
    name, _, column = (
        thing.partition(" (") if not d.wanted.relation.endswith(")") else (thing, "", "")
    )
    kind = "FUNCTION " if name.endswith(")") else ""
    rights = f"{privilege} ({column} ON {name}" if column else f"{privilege} ON {kind}{name}"
    role = "PUBLIC" if grantee == "everybody" else grantee
    if d.kind == "missing":
        return [[f"GRANT {rights} TO {role}"]]
    no_more = "" if d.kind == "extra" else "GRANT OPTION FOR "
    return [[f"REVOKE {no_more}{rights} FROM {role}"]]


_MAKING: Final[Mapping[str, Callable[[Difference], list[Way]]]] = {
    "role": _role,
    "relation": _relation,
    "column": _column,
    "function": lambda d: [
        [d.wanted.definition],
        [f"DROP FUNCTION {d.key.name}", d.wanted.definition],
    ],
    "view": _view,
    "constraint": _constraint,
    "index": lambda d: [[f"DROP INDEX IF EXISTS {d.key.name}", d.wanted.definition]],
    "trigger": lambda d: [[f"DROP TRIGGER IF EXISTS {d.key.name}", d.wanted.definition]],
    "mode of the trigger": _mode,
    "policy": _policy,
    "owner": _owner,
    "right": _right,
}
ORDER: Final = list(_MAKING)
"""The kinds in the order in which their objects are made."""
