"""Every error the registry raises on purpose: what, why and what to do.

House rule: an error is a class here, so that a program can tell errors apart without
reading texts. The message says what and why, `hint` says what to do; neither ever
holds a secret value.
"""

import enum
import re
from typing import ClassVar


class ExitStatus(enum.IntEnum):
    """Exit codes of the command line."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    REFUSED = 5
    VERIFICATION = 6
    UNAVAILABLE = 7


class RegistryError(Exception):
    """The registry could not do what was asked; nothing was changed."""

    exit_status: ClassVar[ExitStatus] = ExitStatus.FAILED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def code(self) -> str:
        """The stable name of this error in JSON output, e.g. `account_not_found`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()


class InvalidInput(RegistryError):
    """A value that can never be accepted, whatever the registry holds."""

    exit_status = ExitStatus.USAGE


class InvalidCredential(InvalidInput):
    """Fields that are missing, unknown, placeholders or of the wrong type."""


class NothingToImport(InvalidInput):
    """A file without a complete credential."""


class NotFound(RegistryError):
    """Something that is named does not exist."""

    exit_status = ExitStatus.NOT_FOUND


class AccountNotFound(NotFound):
    """No account has this name (any more)."""


class ExchangeNotFound(NotFound):
    """No exchange has this name, or its credential fields are not known."""


class CredentialNotFound(NotFound):
    """The slot holds no credential."""


class Conflict(RegistryError):
    """What is asked does not fit what is there already."""

    exit_status = ExitStatus.CONFLICT


class AccountExists(Conflict):
    """The name belongs to another account."""


class CredentialExists(Conflict):
    """The slot holds a credential already."""


class ExchangeExists(Conflict):
    """The exchange is defined already."""


class StaleVersion(Conflict):
    """Somebody else changed the stream since it was read."""


class CommandIdReused(Conflict):
    """The command id belongs to a command with other content."""


class MigrationChanged(Conflict):
    """A migration file differs from the one that was applied."""


class Refused(RegistryError):
    """Possible in another state or with another permission, but not now."""

    exit_status = ExitStatus.REFUSED


class AccountInactive(Refused):
    """The account is deactivated."""


class CredentialInactive(Refused):
    """The credential is deactivated."""


class AccountInUse(Refused):
    """Positions or borrowers depend on the account."""


class LogIsAppendOnly(Refused):
    """Somebody tried to update, delete or truncate the log."""


class DirectWriteRefused(Refused):
    """Somebody tried to write to a projection without an event."""


class PermissionDenied(Refused):
    """The database role may not do this."""


class ConfirmationNeeded(Refused):
    """A destructive command without a terminal needs --yes."""


class Unavailable(RegistryError):
    """The database or the key is not there, or not usable."""

    exit_status = ExitStatus.UNAVAILABLE


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached, or the connection was lost."""


class NotMigrated(Unavailable):
    """The database lacks migrations that this program needs."""

    def __init__(self, message: str, *, hint: str | None = None, taken_down: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.taken_down = taken_down


class SchemaTooNew(Unavailable):
    """The database was migrated by a newer version of this program."""


class MasterKeyMissing(Unavailable):
    """No master key is configured."""


class MasterKeyMalformed(Unavailable):
    """The configured master key is not a Fernet key."""


class MasterKeyWrong(Unavailable):
    """The master key is not the one that the registry's data was sealed with."""


class CannotDecrypt(Unavailable):
    """A sealed field does not open in this place: damaged, moved or of another key."""


class CommandApplied(Exception):
    """The database knows this command id with the same content (not an error)."""


class VerificationFailed(RegistryError):
    """Something is not as the log says, or the log is not as it was."""

    exit_status = ExitStatus.VERIFICATION


class InvalidProof(VerificationFailed):
    """A checkpoint or a proof that proves nothing: malformed, forged or of another log."""


class LogRewritten(VerificationFailed):
    """The log is not a continuation of what was signed before."""


class SecretsDestroyed(Refused):
    """The secrets of this version were destroyed on purpose."""


class CheckpointKeyMissing(Unavailable):
    """No key for checkpoints is configured."""


class CheckpointKeyMalformed(Unavailable):
    """The configured key for checkpoints is not one."""
