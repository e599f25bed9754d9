"""From moments to positions: the database's clock, in whose order the log is."""

import datetime as dt

from registry.database.connection import Connection
from registry.database.queries import load_queries

_QUERIES = load_queries("registry.log", "moments.sql")


def events_before(connection: Connection, moment: dt.datetime) -> int:
    """How many events were recorded before a moment: the position of the first one from it on."""
    row = connection.execute(_QUERIES["events_before"], {"moment": moment}).fetchone()
    return 0 if row is None else int(row[0])
