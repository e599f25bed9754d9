"""Keyword arguments of the methods of a `Registry`."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from registry.errors import InvalidInput
from registry.events.permissions import Permission

if TYPE_CHECKING:
    from registry.services.reading.history import HistoryFilter


class By(TypedDict, total=False):
    """The options of every change: the actor, the reason, and the mode."""

    actor: str
    """The actor; by default the registry's actor."""
    reason: str | None
    """The reason, kept in the history."""
    command_id: uuid.UUID | str | None
    """An id for the command, so that a repeated call cannot apply it twice."""
    expected_version: int | None
    """The version of the account that the caller has seen; a different one is a conflict."""
    dry_run: bool
    """Whether the change is only reported, not made."""


class Only(TypedDict, total=False):
    """A filter for events; all its conditions must hold."""

    exchange: str | None
    subaccount: int | None
    permission: Permission | None
    credential: uuid.UUID | str | None
    event_type: str | None
    """The event type, such as CredentialReplaced."""
    by: str | None
    """The actor."""
    command: uuid.UUID | str | None
    """The id of the command that appended the event."""
    since: dt.datetime | str | None
    """The earliest moment (included), by the database's clock."""
    until: dt.datetime | str | None
    """The end of the time range (excluded)."""
    limit: int
    """The newest so many, 100 unless said. If so many come, older ones may fit too."""


class ImportChoices(By, total=False):
    """The options of an import, with those of every change."""

    create: bool
    """Whether to create the account if it does not exist."""
    exchange: str | Sequence[str] | None
    """Only these exchanges; for a configuration, also whose keys they are if it does not say so."""
    subaccount: int | Mapping[str, int] | None
    """The subaccount, or exchange -> subaccount; "" stands for all other exchanges."""
    cascade: bool
    """Whether borrowers may get another key through the import."""
    allow_shared_secret: bool
    """Whether another account may hold the same secret."""
    allow_other_account: bool
    """Whether the file may name another account."""


def split(given: Mapping[str, Any]) -> tuple[By, dict[str, Any]]:
    """Splits keyword arguments: those of `By`, and the rest."""
    by = {name: value for name, value in given.items() if name in By.__annotations__}
    return By(**by), {name: value for name, value in given.items() if name not in by}  # type: ignore[typeddict-item]


def wanted(account: str | None, only: Only) -> "HistoryFilter":
    """A filter for events in the form that the services take."""
    from registry.moments import moment
    from registry.services.reading.history import HistoryFilter
    from registry.values import subaccount_index

    subaccount = only.get("subaccount")
    since, until = only.get("since"), only.get("until")
    return HistoryFilter(
        account=account,
        exchange=only.get("exchange"),
        credential_id=optional_id(only.get("credential"), "a credential's id"),
        subaccount_index=None if subaccount is None else subaccount_index(subaccount),
        permission=only.get("permission"),
        event_type=only.get("event_type"),
        actor=only.get("by"),
        command_id=optional_id(only.get("command"), "a command's id"),
        since=None if since is None else moment(since, "since"),
        until=None if until is None else moment(until, "until"),
        limit=only.get("limit", 100),
    )


def ignore(*_: object) -> None:
    """Does nothing with what it is told."""


def optional_path(path: Path | str | None) -> Path | None:
    """The path, or None for None."""
    return None if path is None else Path(path)


def optional_id(value: uuid.UUID | str | None, what: str) -> uuid.UUID | None:
    """Parses an id, or returns None for None; errors as `checked_id`."""
    return None if value is None else checked_id(value, what)


def checked_id(value: uuid.UUID | str, what: str, hint: str | None = None) -> uuid.UUID:
    """Parses an id.

    Raises:
        InvalidInput: the value is not a UUID.
    """
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise InvalidInput(f"{what} is a UUID", hint=hint) from None
