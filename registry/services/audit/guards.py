"""Checks for missing or changed guards and views, and for data keys without events.

Not a proof: an attacker who can replace a function can deceive these checks too. A proof needs
another server with a restored dump (`scripts/restore-drill`), or a checkpoint kept elsewhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from registry.database.connection import Connection, may_read_tokens
from registry.database.migration_files import load_migrations
from registry.database.queries import load_queries, one_row
from registry.hints import Blank, Command, Hint
from registry.plurals import counted

_QUERIES = load_queries("registry.services.audit", "guards.sql")
_TRIGGER: Final = re.compile(
    r"^CREATE (?:OR REPLACE |CONSTRAINT )TRIGGER (\w+)\n[^;]* ON public\.(\w+)\n"
    r"[^;]*EXECUTE FUNCTION public\.(\w+)\(",
    re.MULTILINE,
)
_FUNCTION: Final = re.compile(
    r"^CREATE OR REPLACE FUNCTION public\.(\w+)(\((?:(?!^CREATE ).)*?"
    r"(?: AS \$\$.*?\$\$;|^BEGIN ATOMIC$.*?^END;|^RETURN .*?;$))",
    re.MULTILINE | re.DOTALL,
)
_VIEW: Final = re.compile(r"^CREATE OR REPLACE VIEW public\.(\w+) AS\n([^;]*);", re.MULTILINE)

HINT = Hint(
    "The end of the log may have been cut off: compare it with a checkpoint: ",
    Command("verify", against=Blank("FILE")),
)


def _migrations() -> str:
    return "\n".join(migration.up_sql for migration in load_migrations())


def missing_guards(connection: Connection) -> Iterator[str]:
    """The guards that are missing or differ from the migrations, in words."""
    text = _migrations()
    there = {tuple(row) for row in connection.execute(_QUERIES["triggers"])}
    for trigger in _TRIGGER.findall(text):
        if trigger not in there:
            yield f"the trigger {trigger[0]} on {trigger[1]} is missing or disabled"
    for name in changed_functions(connection) if may_compare_functions(connection) else ():
        yield f"the function {name} is not what the migrations made"
    if connection.execute(_QUERIES["row_security"]).fetchone() != (True,):
        yield "row security of strategy_positions is off, or lacks the policy for bots"
    yield from changed_views(connection)


def may_compare_functions(connection: Connection) -> bool:
    """Whether this login may create temporary functions here; a standby allows nobody to."""
    (may,) = one_row(connection.execute(_QUERIES["may_make_functions"]))
    return bool(may)


def changed_functions(connection: Connection) -> list[str]:
    """Functions whose body, rights or settings differ from those of the migrations.

    The server keeps only the parse tree of SQL-standard bodies (`BEGIN ATOMIC`, `RETURN`). So
    the functions of the migrations are created temporarily, and the server prints both
    versions for comparison; see `may_compare_functions`.
    """
    functions = dict(_FUNCTION.findall(_migrations()))
    statements = [f"CREATE FUNCTION pg_temp.{name}{rest}" for name, rest in functions.items()]
    with connection.transaction(force_rollback=True):
        connection.execute(_QUERIES["qualify_names"])
        connection.execute("SET LOCAL check_function_bodies = off")
        connection.execute("\n".join(statements).encode())
        changed = connection.execute(_QUERIES["changed_functions"], {"names": list(functions)})
        return [name for (name,) in changed]


def changed_views(connection: Connection) -> Iterator[str]:
    """Views of the log and the tables that differ from the migrations.

    A view and its query have equal plans. Roles that may not read the tables below the views
    get no result.
    """
    if not may_read_tokens(connection):
        return
    for name, query in dict(_VIEW.findall(_migrations())).items():
        view, asked = sql.Identifier("public", name), sql.SQL("({})").format(sql.SQL(query))
        # Several attempts: new statistics between two plans can change one.
        if all(_plan(connection, view) != _plan(connection, asked) for _ in range(3)):
            yield f"the view {name} is not what the migrations made"


def renamed_exchanges(connection: Connection) -> Iterator[tuple[int, str]]:
    """Exchanges renamed since their credentials were stored: (position of an event, message).

    A bot asks for an exchange by its name in `dexes`, and would get the key of another one.
    """
    for position, name, told in connection.execute(_QUERIES["renamed_exchanges"]):
        yield position, f"the exchange {name} of the table dexes was {told} when this was stored"


@dataclass(frozen=True, slots=True)
class UnnamedKeys:
    """Data keys that no event names: the first ones, and the count of all."""

    listed: tuple[str, ...] = ()
    """Descriptions of the first keys."""
    count: int = 0

    @property
    def summary(self) -> str:
        """The count, in words."""
        return f"{counted(self.count, 'data key')} that no event names"


def unnamed_keys(connection: Connection) -> UnnamedKeys:
    """The data keys that no event names; for a role that may read the log.

    A key and the event that names it are written in one transaction. If the event is missing,
    the end of the log was cut off, or the key was inserted by hand.
    """
    rows = connection.execute(_QUERIES["unnamed_data_keys"]).fetchall()
    return UnnamedKeys(
        tuple(
            f"no event names the data key {key}, of version {version} of credential {credential}"
            for key, credential, version, _ in rows
        ),
        rows[0][3] if rows else 0,
    )


def _plan(connection: Connection, source: sql.Composable) -> list[str]:
    rows = connection.execute(sql.SQL(_QUERIES["plan"].decode()).format(source=source))
    # With compute_query_id, the server prints a query id that differs for each text.
    return [line for (line,) in rows if not line.startswith("Query Identifier")]
