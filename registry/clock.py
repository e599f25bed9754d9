"""The application's clock. Tests freeze it; nothing else reads the time for events."""

import datetime as dt


def now() -> dt.datetime:
    """The current moment in UTC."""
    return dt.datetime.now(dt.UTC)
