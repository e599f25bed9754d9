"""The context of all parts of a `Registry`: the database, the keys, and the actor."""

import contextlib
import functools
import logging
import os
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from registry.database.connection import Connection, Database
from registry.database.target import Target
from registry.errors import RegistryClosed
from registry.facade.given import By, optional_id
from registry.machine import host, user_at_host

if TYPE_CHECKING:
    from registry.encryption.keyring import MasterKeyring
    from registry.execution.executor import CommandExecutor, Invocation, Outcome, Task
    from registry.services.feed.feed import Feed
    from registry.services.releases.releases import Caller

log = logging.getLogger("registry")


class Opened(Database, Protocol):
    """Connections to one database, with its address."""

    target: Target

    def close(self) -> None:
        """Closes open connections that are not in use."""


class Context:
    """A database that can be closed, its keys, and the actor. Is a `Database` itself."""

    def __init__(
        self, database: Opened, keyring: "MasterKeyring | None" = None, actor: str | None = None
    ) -> None:
        self._database = database
        self.own_keyring = keyring
        """The keyring given by the program, instead of that of the environment."""
        self._actor = actor
        self._closed = False
        self.feeds: weakref.WeakSet[Feed] = weakref.WeakSet()
        """Those that end when it is closed."""

    @property
    def target(self) -> Target:
        """The address of the database."""
        return self._database.target

    def connection(self) -> contextlib.AbstractContextManager[Connection]:
        """See `Database.connection`; RegistryClosed after `close`."""
        self.check_open()
        return self._database.connection()

    def check_open(self) -> None:
        """Raises RegistryClosed after `close`."""
        if self._closed:
            raise RegistryClosed(
                "the registry was closed", hint="Open another one: Registry.open()"
            )

    def close(self) -> None:
        """Closes the connections, for good."""
        self._closed = True
        for feed in list(self.feeds):
            feed.close()
        self._database.close()

    def keyring(self) -> "MasterKeyring":
        """The master keys; keys from the environment are read at each call."""
        from registry.encryption.key_source import load_keyring

        return self.own_keyring or load_keyring()

    @property
    def actor(self) -> str:
        """The actor of calls that name none."""
        return self._actor or os.environ.get("REGISTRY_ACTOR") or user_at_host()

    def invocation(self, by: By) -> "Invocation":
        """Converts the options of a change to the form of the services."""
        from registry.execution.executor import Invocation

        command_id = optional_id(by.get("command_id"), "a command id")
        actor = by.get("actor") or self.actor
        given: dict[str, Any] = {**by, "actor": actor, "command_id": command_id}
        return Invocation(**given)

    def execute(self, task: "Task", by: By) -> "Outcome":
        """Executes a change; errors as `CommandExecutor.execute`, and of the task."""
        return self._executor.execute(task, self.invocation(by))

    @functools.cached_property
    def _executor(self) -> "CommandExecutor":
        # The modules for changes take long to import, and reads do not need them.
        from registry.execution.executor import CommandExecutor

        return CommandExecutor(self)

    def caller(self, purpose: str, actor: str | None = None, reason: str | None = None) -> "Caller":
        """The caller of a release, with its purpose."""
        from registry.services.releases.releases import Caller

        return Caller(actor=actor or self.actor, host=host(), purpose=purpose, reason=reason)


class Part:
    """A part of a `Registry`."""

    def __init__(self, context: Context) -> None:
        self._context = context
