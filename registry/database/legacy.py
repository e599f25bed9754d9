"""Tables that a bot's owner made by hand: whether the registry's schema can take them over."""

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.errors import LegacyInTheWay
from registry.hints import Command, Hint

_QUERIES = load_queries("registry.database", "legacy.sql")


def check_legacy_tables(connection: Connection) -> None:
    """Looks for what a migration could not solve without guessing; changes nothing.

    Raises:
        LegacyInTheWay: there is something; the message lists all of it.
    """
    found = [row[0] for row in connection.execute(_QUERIES["obstacles"], {})]
    if found:
        raise LegacyInTheWay(
            f"the tables that are there cannot be taken over: {'; '.join(found)}",
            hint=Hint(
                "Nothing was changed. Alter this by hand (a trigger can be disabled, a column "
                "given a default), and run: ",
                Command("migrate", "up"),
            ),
        )
