"""Checks for renamed exchanges, and for data keys without events."""

from collections.abc import Iterator
from dataclasses import dataclass

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.hints import Blank, Command, Hint
from registry.plurals import counted

_QUERIES = load_queries("registry.services.audit", "guards.sql")
HINT = Hint(
    "The end of the log may have been cut off: compare it with a checkpoint: ",
    Command("verify", against=Blank("FILE")),
)


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
