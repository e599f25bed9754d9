"""What methods of a `Registry` take by name."""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any, TypedDict

from registry.errors import InvalidInput
from registry.events.permissions import Permission


class By(TypedDict, total=False):
    """Who asks for a change, why and how; every change takes these."""

    actor: str
    """Who acts; by default the registry's actor."""
    reason: str | None
    """Why; kept in the history."""
    command_id: uuid.UUID | str | None
    """A name for the command, so that sending it again cannot apply it twice."""
    expected_version: int | None
    """The account's version that the caller has seen; another one is a conflict."""
    dry_run: bool
    """Whether nothing is changed, and only said what would be."""


class Only(TypedDict, total=False):
    """Which events are wanted; all of it must hold."""

    exchange: str | None
    subaccount: int | None
    permission: Permission | None
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
    """The newest so many, 100 unless said. If so many come, older ones may fit too."""


class ImportChoices(By, total=False):
    """What an import may do besides storing what is new, and who asks."""

    create: bool
    """Whether the account is made if there is none."""
    subaccount: int | Mapping[str, int] | None
    """The subaccount, or exchange -> subaccount; "" stands for all that are not named."""
    cascade: bool
    """Whether borrowers may get another key by it."""
    allow_shared_secret: bool
    """Whether another account may hold the same secret."""
    allow_other_account: bool
    """Whether the file may name another account."""


def split(given: Mapping[str, Any]) -> tuple[By, dict[str, Any]]:
    """What was given by name: who asks and how, and the rest."""
    by = {name: value for name, value in given.items() if name in By.__annotations__}
    return By(**by), {name: value for name, value in given.items() if name not in by}  # type: ignore[typeddict-item]


def optional_id(value: uuid.UUID | str | None, what: str) -> uuid.UUID | None:
    """The id, also out of a text, if there is one."""
    return None if value is None else checked_id(value, what)


def checked_id(value: uuid.UUID | str, what: str, hint: str | None = None) -> uuid.UUID:
    """The id, also out of a text.

    Raises:
        InvalidInput: it is none.
    """
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise InvalidInput(f"{what} is a UUID", hint=hint) from None
