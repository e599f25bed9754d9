"""What all parts of a `Registry` stand on: the database, the keys, and who acts."""

import contextlib
import logging
import os
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

from registry.database.connection import Connection, Database
from registry.database.target import Target
from registry.encryption.key_source import load_keyring
from registry.encryption.keyring import MasterKeyring
from registry.errors import InvalidInput, RegistryClosed
from registry.execution.executor import Invocation
from registry.machine import host, user_at_host

if TYPE_CHECKING:
    from registry.services.releases.releases import Caller

log = logging.getLogger("registry")


class Opened(Database, Protocol):
    """Connections to one database, which knows where it is."""

    target: Target

    def close(self) -> None:
        """Closes what is open and not in use."""


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


class Context:
    """A database that can be closed, the keys for it, and who acts. It is a `Database` itself."""

    def __init__(
        self, database: Opened, keyring: MasterKeyring | None = None, actor: str | None = None
    ) -> None:
        self._database = database
        self.own_keyring = keyring
        """The keys that the program gave, in place of those of the environment."""
        self._actor = actor
        self._closed = False

    @property
    def target(self) -> Target:
        """Where the database is."""
        return self._database.target

    def connection(self) -> contextlib.AbstractContextManager[Connection]:
        """See `Database.connection`; RegistryClosed after `close`."""
        if self._closed:
            raise RegistryClosed(
                "the registry was closed", hint="Open another one: Registry.open()"
            )
        return self._database.connection()

    def close(self) -> None:
        """Closes the connections, for good."""
        self._closed = True
        self._database.close()

    def keyring(self) -> MasterKeyring:
        """The master keys; those of the environment are read each time."""
        return self.own_keyring or load_keyring()

    @property
    def actor(self) -> str:
        """Who acts unless a call says so."""
        return self._actor or os.environ.get("REGISTRY_ACTOR") or user_at_host()

    def invocation(self, by: By) -> Invocation:
        """The same as services take it."""
        command_id = optional_id(by.get("command_id"), "a command id")
        actor = by.get("actor") or self.actor
        given: dict[str, Any] = {**by, "actor": actor, "command_id": command_id}
        return Invocation(**given)

    def caller(self, purpose: str, actor: str | None = None, reason: str | None = None) -> "Caller":
        """Who asks for a secret, and what for."""
        from registry.services.releases.releases import Caller

        return Caller(actor=actor or self.actor, host=host(), purpose=purpose, reason=reason)


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
