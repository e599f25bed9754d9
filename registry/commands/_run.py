"""The context of one run of a verb: output, database, keys and actor."""

import contextlib
import functools
import os
import shlex
import stat
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.commands._output import Output
from registry.errors import ConfirmationNeeded, ExitStatus, InvalidInput

if TYPE_CHECKING:
    from registry.database.opening import SingleConnection
    from registry.encryption.keyring import MasterKeyring
    from registry.execution.executor import Invocation
    from registry.facade.given import By
    from registry.registry import Registry


class Run:
    """One run of one verb."""

    def __init__(self, output: Output, options: dict[str, Any]) -> None:
        self.output = output
        self.exit_status: int = ExitStatus.DONE
        self._options = options
        self._database: SingleConnection | None = None

    @property
    def database(self) -> "SingleConnection":
        """The database that the environment names; connects on first use."""
        if self._database is None:
            from registry.database.opening import SingleConnection
            from registry.database.target import Target

            self._database = SingleConnection(Target.from_environment(), self.output.notice)
        return self._database

    def keyring(self) -> "MasterKeyring":
        """The master keys; errors as `key_source.load_keyring`."""
        from registry.encryption.key_source import load_keyring

        return load_keyring()

    @functools.cached_property
    def registry(self) -> "Registry":
        """The registry that the environment names."""
        from registry.registry import Registry

        return Registry(self.database)

    @property
    def by(self) -> "By":
        """The actor, the reason and the options of a change; sets up the log of this run.

        Raises:
            InvalidInput: an option is not acceptable.
        """
        return {
            "actor": self.actor(),
            "reason": self.reason,
            "command_id": id_of(self._options.get("command_id"), "--command-id"),
            "expected_version": self._options.get("expected_version"),
            "dry_run": self._options.get("dry_run", False),
        }

    def invocation(self) -> "Invocation":
        """The same as an `Invocation` for services; errors as `by`."""
        from registry.execution.executor import Invocation

        given: dict[str, Any] = {**self.by}
        return Invocation(**given)

    def actor(self) -> str:
        """The actor's name; sets up the log of this run.

        Raises:
            InvalidInput: a setting is not valid, or the name contains a secret.
        """
        from registry.commands._logging import set_up_logging
        from registry.machine import user_at_host
        from registry.values import short_text

        set_up_logging()
        by_default = os.environ.get("REGISTRY_ACTOR") or user_at_host()
        return short_text(by_default if self.named_actor is None else self.named_actor, "the actor")

    @property
    def named_actor(self) -> str | None:
        """The actor that an option names, if any."""
        actor: str | None = self._options["actor"]
        return actor

    @property
    def reason(self) -> str | None:
        """The caller's reason, if given.

        Raises:
            InvalidInput: it contains a secret.
        """
        from registry.values import refuse_secret

        reason: str | None = self._options["reason"]
        refuse_secret(reason or "", "the reason")
        return reason

    def confirm(self, question: str, *, yes: bool) -> None:
        """Asks before a change that takes effect at once; `--dry-run` and `--yes` skip this.

        Raises:
            ConfirmationNeeded: the answer was no, or there is no terminal to ask on.
        """
        if yes or self._options.get("dry_run"):
            return
        if not sys.stdin.isatty():
            raise ConfirmationNeeded(
                "this needs a confirmation, and there is no terminal to ask on",
                hint="Add --yes if it is meant.",
            )
        if self.output.ask(f"{question} [y/N] ").lower() not in ("y", "yes"):
            raise ConfirmationNeeded("not confirmed; nothing was changed")

    def warn_of_readers(self, *files: str | Path) -> None:
        """Says which of the files that hold secrets other users of this machine can read."""
        readable = []
        for file in files:
            with contextlib.suppress(OSError):
                mode = Path(file).stat().st_mode
                readable += [str(file)] if stat.S_ISREG(mode) and mode & stat.S_IROTH else []
        if readable:
            names = " ".join(map(shlex.quote, readable))
            self.output.notice(f"Note: other users can read this. Close it: chmod 600 {names}")

    def close(self) -> None:
        """Closes the connection, if one was opened."""
        if self._database is not None:
            self._database.close()


def id_of(text: str | None, option: str) -> uuid.UUID | None:
    """The id in an option's text; None if the option was not given.

    Raises:
        InvalidInput: it is not a UUID.
    """
    try:
        return None if text is None else uuid.UUID(text)
    except ValueError:
        raise InvalidInput(f"{option} {text!r} is not a UUID") from None
