"""What plain logins left in the database, and the settings that they lack."""

from collections.abc import Iterator

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.plurals import counted

_QUERIES = load_queries("registry.services.reading", "logins.sql")


def left_behind(connection: Connection) -> Iterator[tuple[str, str]]:
    """What each login made that is in every dump and no part of the registry: said, and a hint."""
    for role, kind, count, remove in connection.execute(_QUERIES["left_behind"]):
        yield f"{role} made {counted(count, kind)}", remove


def without_idle_limit(connection: Connection) -> list[str]:
    """The logins with access to an account for which no limit of idle transactions is set."""
    return [role for (role,) in connection.execute(_QUERIES["without_idle_limit"])]
