"""Which events `Registry.history` and `Registry.follow` give."""

import datetime as dt
import uuid
from typing import TypedDict

from registry.facade.context import optional_id
from registry.services.reading.history import HistoryFilter
from registry.values import moment


class Only(TypedDict, total=False):
    """Which events are wanted; all of it must hold."""

    exchange: str | None
    credential: uuid.UUID | str | None
    event_type: str | None
    """Such as CredentialReplaced."""
    by: str | None
    """Who acted."""
    command: uuid.UUID | str | None
    """The id of the command that did it."""
    since: dt.datetime | str | None
    """From this moment on, by the database's clock."""
    until: dt.datetime | str | None
    """Before this moment."""
    limit: int
    """The newest so many; 100 unless said."""


def wanted(account: str | None, only: Only) -> HistoryFilter:
    """The same in the form that the service takes."""
    since, until = only.get("since"), only.get("until")
    return HistoryFilter(
        account=account,
        exchange=only.get("exchange"),
        credential_id=optional_id(only.get("credential"), "a credential's id"),
        event_type=only.get("event_type"),
        actor=only.get("by"),
        command_id=optional_id(only.get("command"), "a command's id"),
        since=None if since is None else moment(since, "since"),
        until=None if until is None else moment(until, "until"),
        limit=only.get("limit", 100),
    )
