"""`Registry.views`: all accounts at once, in pages, for people."""

import datetime as dt
from collections.abc import Callable
from typing import TypedDict, Unpack

from registry.errors import RegistryError
from registry.facade.checking import checked
from registry.facade.context import Part
from registry.services.views import reading
from registry.services.views.live import Live
from registry.services.views.reading import AccountPicture, Filter, Rows


class Wanted(TypedDict, total=False):
    """Which rows of a view."""

    account: str | None
    """A name, or a pattern such as `grid_*`."""
    exchange: str | None
    state: str | None
    """A state of the view; `attention` for those that somebody should look at; or `all`."""
    text: str | None
    """A part of a name or of another text."""
    page: int
    size: int
    """How many rows a page has, at most 500."""


@checked
class Views(Part):
    """Tables of all accounts, filtered by the database. An auditor's login is enough."""

    def read(self, view: str, **wanted: Unpack[Wanted]) -> Rows:
        """A page of a view: accounts, problems, credentials, shares, positions or releases.

        Its `rows` are dictionaries; `view` describes their columns and the urgency of each state.
        """
        return reading.read(self._context, view, Filter(**wanted))

    def account(self, account: str, *, size: int = 50) -> AccountPicture:
        """An account with the first rows of each view that are about it."""
        return reading.picture(self._context, account, size)

    def history(self, account: str, *, size: int = 50) -> Rows:
        """The newest events of an account in words, the newest first; `HISTORY` describes it."""
        return reading.happened(self._context, account, size)

    def exchanges(self) -> list[str]:
        """The exchanges that something is about."""
        return reading.exchanges(self._context)

    def releases_by_hour(self) -> list[tuple[dt.datetime, int]]:
        """The number of releases in each of the last 24 hours, the oldest first."""
        return reading.releases_by_hour(self._context)

    def live(self, changed: Callable[[], None], lost: Callable[[RegistryError], None]) -> Live:
        """Calls `changed` when the log has grown or the database is back, until it is closed.

        `lost` is called when the database is away. A thread calls both. Positions are no events.
        """
        return Live(self._context, changed, lost)
