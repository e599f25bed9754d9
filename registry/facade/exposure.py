"""`Registry.exposure`: the possible receivers of a key that has leaked."""

import datetime as dt

from registry.facade.checking import checked
from registry.facade.context import Part
from registry.moments import moment
from registry.services.reading.exposure import Reach, could_use_at
from registry.services.reading.exposure import blast_radius as reach_since


@checked
class Exposure(Part):
    """Accounts, roles and hosts that could use or did receive a credential."""

    def who_could_use(
        self, account: str, exchange: str, *, at: dt.datetime | str | None = None
    ) -> Reach:
        """The accounts and roles that could use a credential at a moment, by default now."""
        when = None if at is None else moment(at, "at")
        return could_use_at(self._context, account, exchange, when)

    def blast_radius(
        self, account: str, exchange: str, *, since: dt.datetime | str | None = None
    ) -> Reach:
        """All accounts, roles and releases that a leaked credential may have passed through."""
        when = None if since is None else moment(since, "since")
        return reach_since(self._context, account, exchange, when)
