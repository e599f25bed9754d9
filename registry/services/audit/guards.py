"""Whether the database still has the guards and views of the migrations, and no key too many.

Not a proof: who can replace a function can deceive what looks at it too. That takes another
server, to which a dump is restored (`scripts/restore-drill`), or a checkpoint kept elsewhere.
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
    """What does not guard as the migrations made it, in words."""
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
    """Whether this login may make temporary functions here, which a standby refuses to all."""
    (may,) = one_row(connection.execute(_QUERIES["may_make_functions"]))
    return bool(may)


def changed_functions(connection: Connection) -> list[str]:
    """Functions that do something else than the migrations say, or with other rights or settings.

    A body in the standard's form (`BEGIN ATOMIC`, `RETURN`) has no text, only what the server
    has parsed. So the functions of the migrations are made beside those that are there, for
    as long as it takes to have the server write both out; see `may_compare_functions`.
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
    """Views of the log and the tables that show something else than the migrations say.

    A view and the query that it was made of are planned alike. Who may not read what is below
    a view cannot look.
    """
    if not may_read_tokens(connection):
        return
    for name, query in dict(_VIEW.findall(_migrations())).items():
        view, asked = sql.Identifier("public", name), sql.SQL("({})").format(sql.SQL(query))
        # More than once: new statistics in between can change a plan.
        if all(_plan(connection, view) != _plan(connection, asked) for _ in range(3)):
            yield f"the view {name} is not what the migrations made"


def renamed_exchanges(connection: Connection) -> Iterator[tuple[int, str]]:
    """Exchanges that are called otherwise than when their credentials came in, and where that was.

    A bot asks for an exchange by its name in `dexes`, and would get the key of another.
    """
    for position, name, told in connection.execute(_QUERIES["renamed_exchanges"]):
        yield position, f"the exchange {name} of the table dexes was {told} when this was stored"


@dataclass(frozen=True, slots=True)
class UnnamedKeys:
    """Data keys that no event names: some of them, and how many there are."""

    listed: tuple[str, ...] = ()
    """In words."""
    count: int = 0

    @property
    def summary(self) -> str:
        """How many, in words."""
        return f"{counted(self.count, 'data key')} that no event names"


def unnamed_keys(connection: Connection) -> UnnamedKeys:
    """The data keys that no event names; for a role that may read the log.

    A key and the event that names it are written in one transaction. Where the event is not
    there, the end of the log was cut off, or somebody wrote to the table by hand.
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
    # Where the server counts statements, it gives each text an id of its own.
    return [line for (line,) in rows if not line.startswith("Query Identifier")]
