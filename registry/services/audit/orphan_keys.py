"""Data keys that no event names: there is no command that leaves one behind.

A key and the event that names it are written in one transaction. Where the event is not
there, the end of the log was cut off, or somebody wrote to the table by hand.
"""

from dataclasses import dataclass

from registry.database.connection import Connection
from registry.database.queries import load_queries
from registry.hints import Blank, Command, Hint
from registry.plurals import counted

_QUERIES = load_queries("registry.services.audit", "verification.sql")

HINT = Hint(
    "The end of the log may have been cut off: compare it with a checkpoint: ",
    Command("verify", against=Blank("FILE")),
)


@dataclass(frozen=True, slots=True)
class UnnamedKeys:
    """Some of them, and how many there are."""

    listed: tuple[str, ...] = ()
    """In words."""
    count: int = 0

    @property
    def summary(self) -> str:
        """How many, in words."""
        return f"{counted(self.count, 'data key')} that no event names"


def unnamed_keys(connection: Connection) -> UnnamedKeys:
    """The data keys that no event names; for a role that may read the log."""
    rows = connection.execute(_QUERIES["unnamed_data_keys"]).fetchall()
    return UnnamedKeys(
        tuple(
            f"no event names the data key {key}, of version {version} of credential {credential}"
            for key, credential, version, _ in rows
        ),
        rows[0][3] if rows else 0,
    )
