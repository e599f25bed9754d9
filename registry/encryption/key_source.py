"""The source of a key: a variable, a file, a command, or a credential that systemd passes on.

At most one of them may name the key; if none does, it is in a file in the default place. So a
forgotten setting never decides in silence which key is used.
"""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registry.encryption.key_command import output_of
from registry.encryption.key_file import read_key_file
from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.errors import (
    CheckpointKeyMalformed,
    CheckpointKeyMissing,
    MasterKeyMalformed,
    MasterKeyMissing,
    RegistryError,
)
from registry.hints import Command, Hint
from registry.machine import config_folder, no_core_dumps, path_of_variable, unit_credential

VARIABLE = "CREDENTIAL_ENCRYPTION_KEY"
FILE_VARIABLE = f"{VARIABLE}_FILE"


@dataclass(frozen=True, slots=True)
class KeySource:
    """A place that holds a key."""

    name: str
    read: Callable[[], Secret]


@dataclass(frozen=True, slots=True)
class Key:
    """A key of this installation, and the places where it may be."""

    what: str
    variable: str
    """The prefix of the variables: `…_FILE` names a file, `…_COMMAND` a command."""
    in_variable: bool
    """Whether the variable itself may hold the key."""
    default: str
    """The name of the file in the configuration folder."""
    make: Command
    missing: type[RegistryError]
    malformed: type[RegistryError]

    @property
    def file(self) -> Path:
        """The file of the key: the named one, or the default place."""
        return path_of_variable(f"{self.variable}_FILE") or config_folder() / self.default

    @property
    def credential(self) -> str:
        """The name in systemd's folder of credentials."""
        return self.variable.lower()

    def read(self) -> Secret:
        """The key's text; errors as `source`, and those of the source itself."""
        return self.source().read()

    def source(self) -> KeySource:
        """The one source of the key.

        Raises:
            missing: there is none.
            malformed: there are several.
            InvalidInput: a path could be a secret, or a credential is exposed.
        """
        named = list(self.named())
        if len(named) > 1:
            raise self.malformed(
                f"{len(named)} sources name {self.what}: {' and '.join(s.name for s in named)}",
                hint="Keep one of them, and unset the others.",
            )
        if named:
            return named[0]
        if not self.file.exists():
            one_of = ("", "_FILE", "_COMMAND") if self.in_variable else ("_FILE", "_COMMAND")
            *others, last = (self.variable + end for end in one_of)
            raise self.missing(
                f"no {self.what.removeprefix('the ')} is configured",
                hint=Hint(
                    f"Set {', '.join(others)} or {last}, or make a key once with: ", self.make
                ),
            )
        return self._in_file()

    def named(self) -> Iterator[KeySource]:
        """The sources that the environment names."""
        text = os.environ.get(self.variable, "").strip()
        if text and self.in_variable:
            yield KeySource(self.variable, lambda: Secret(text))
        if path_of_variable(f"{self.variable}_FILE"):
            yield self._in_file(f"{self.variable}_FILE, ")
        variable = f"{self.variable}_COMMAND"
        command = os.environ.get(variable, "").strip()
        if command:
            yield KeySource(
                f"the command in {variable}", lambda: output_of(command, variable, self.missing)
            )
        passed = unit_credential(self.credential)
        if passed is not None:
            yield KeySource(
                f"{self.credential} in CREDENTIALS_DIRECTORY",
                lambda: self._not_empty(Secret(passed), f"the credential {self.credential}"),
            )

    def _in_file(self, named_by: str = "") -> KeySource:
        file = self.file
        hint = f"Check {self.variable}_FILE." if named_by else Hint("Make one with: ", self.make)

        def read() -> Secret:
            text = read_key_file(file, missing=self.missing, malformed=self.malformed, hint=hint)
            return self._not_empty(text, f"the key file {file}")

        try:
            mode = f" (mode {stat.S_IMODE(file.stat().st_mode):04o})"
        except OSError:
            mode = ""
        return KeySource(f"{named_by}{file}{mode}", read)

    def _not_empty(self, text: Secret, where: str) -> Secret:
        if not text.reveal().strip():
            raise self.malformed(
                f"{where} is empty",
                hint="Put the key back from where you keep its copy. With another key, nothing "
                "that was stored before can be read.",
            )
        return text


MASTER_KEY: Final = Key(
    "the master key",
    VARIABLE,
    True,
    "master.key",
    Command("generate-key", save=True),
    MasterKeyMissing,
    MasterKeyMalformed,
)
CHECKPOINT_KEY: Final = Key(
    "the key for checkpoints",
    "REGISTRY_CHECKPOINT_KEY",
    False,
    "checkpoint.key",
    Command("generate-checkpoint-key"),
    CheckpointKeyMissing,
    CheckpointKeyMalformed,
)


def default_key_file() -> Path:
    """The file that is used when the environment names no master key."""
    return config_folder() / MASTER_KEY.default


def load_keyring() -> MasterKeyring:
    """The master keys; no key is ever generated silently.

    Raises:
        MasterKeyMissing: there is no key, or its source cannot be read.
        MasterKeyMalformed: it is not a Fernet key, others can read its file, or two sources
            name one.
        InvalidInput: a path in the environment could be a secret.
    """
    no_core_dumps()
    source = MASTER_KEY.source()
    text = source.read()
    try:
        return MasterKeyring.parse(text)
    except MasterKeyMalformed as error:
        raise MasterKeyMalformed(f"{error.message}, in {source.name}", hint=error.hint) from None
