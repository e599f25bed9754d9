"""Every error the registry raises on purpose: what, why and what to do.

House rule: an error is a class here, so that a program can tell errors apart without
reading texts. The message says what and why, `hint` says what to do; neither ever
holds a secret value. What bots have always caught as `ValueError` is one.
"""

import enum
import re
from collections.abc import Sequence
from typing import ClassVar, Final

from registry.hints import Hint

_HINTS: Final = 5


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
        if hint:
            self.add_note(hint)  # what a traceback shows below the message

    @property
    def code(self) -> str:
        """The stable name of this error in JSON output, e.g. `account_not_found`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()


def together(problems: Sequence[RegistryError], what: str = "") -> RegistryError:
    """One error that says everything that several say; its kind is that of the first."""
    messages = "; ".join(dict.fromkeys(problem.message for problem in problems))
    hints = list(dict.fromkeys(problem.hint for problem in problems if problem.hint))[:_HINTS]
    *others, last = hints or [""]
    sentences = [other if other.endswith((".", "?")) else Hint(other, ".") for other in others]
    hint = Hint.joined(" ", [*sentences, last])
    return type(problems[0])(f"{what}{messages}", hint=hint or None)


# ---------------------------------------------------------------- the kinds of errors, by exit code


class InvalidInput(RegistryError):
    """A value that can never be accepted, whatever the registry holds."""

    exit_status = ExitStatus.USAGE


class NotFound(RegistryError):
    """Something that is named does not exist."""

    exit_status = ExitStatus.NOT_FOUND


class Conflict(RegistryError):
    """What is asked does not fit what is there already."""

    exit_status = ExitStatus.CONFLICT


class Refused(RegistryError):
    """Possible in another state or with another permission, but not now."""

    exit_status = ExitStatus.REFUSED


class VerificationFailed(RegistryError):
    """Something is not as the log says, or the log is not as it was."""

    exit_status = ExitStatus.VERIFICATION


class Unavailable(RegistryError):
    """The database or the key is not there, or not usable."""

    exit_status = ExitStatus.UNAVAILABLE


# ---------------------------------------------------------------- accounts


class AccountNotFound(NotFound, ValueError):
    """No account has this name (any more)."""


class AccountExists(Conflict):
    """The name belongs to another account."""


class AccountInactive(Refused, ValueError):
    """The account is deactivated."""


class AccountInUse(Refused):
    """Positions or borrowers depend on the account."""


# ---------------------------------------------------------------- credentials and exchanges


class InvalidCredential(InvalidInput):
    """Fields that are missing, unknown, placeholders or of the wrong type."""


class CredentialNotFound(NotFound):
    """The slot holds no credential."""


class CredentialExists(Conflict):
    """The slot holds a credential already."""


class CredentialInactive(Refused):
    """The credential is deactivated."""


class SecretsDestroyed(Refused):
    """The secrets of this version were destroyed on purpose."""


class SecretInUse(Refused):
    """Another account holds the same secret, and nobody said that it is meant."""


class ExchangeNotFound(NotFound):
    """No exchange has this name, or its credential fields are not known."""


class ExchangeNotAllowed(Refused):
    """The account's own list, or its lender's, does not name the exchange."""


class ExchangeExists(Conflict):
    """The exchange is defined already."""


class NothingToImport(InvalidInput):
    """A file without a complete credential."""


class OtherAccountNamed(Refused):
    """A file is for another account, as its name or something in it says."""


# ---------------------------------------------------------------- sharing and access


class ShareNotFound(NotFound):
    """The account borrows nothing for this exchange, or not from this lender."""


class ShareExists(Conflict):
    """The account borrows for this exchange already, from another lender."""


class SharingRefused(Refused):
    """The share would break a rule: one hop only, and of what the lender has."""


class AccessNotFound(NotFound):
    """The role has no access to the account."""


class RoleNotFound(NotFound):
    """The database has no login role of this name."""


# ---------------------------------------------------------------- releases and their use


class NotPermitted(Refused, ValueError):
    """The login role may not use the account, which may not exist."""


class NoCredentials(NotFound, ValueError):
    """The account has no credential at all, own or shared."""


class ReleaseRefused(Refused):
    """No credential fits what was asked, or the release cannot be collected (any more)."""


class FallbackRefused(Refused):
    """The environment may not stand in for the registry here."""


class OperationRefused(Refused):
    """The credential may not be used for this operation."""


class CommandNotFound(NotFound):
    """There is no such program to run."""


# ---------------------------------------------------------------- positions


class PositionNotFound(NotFound):
    """There is no position of this id, or it is not the account's."""


class PositionsOwned(Conflict):
    """Positions belong to another account."""


class LimitReached(Refused):
    """The position would be beyond the limits of its account."""


# ---------------------------------------------------------------- commands and the log


class StaleVersion(Conflict):
    """Somebody else changed the stream since it was read."""


class CommandIdReused(Conflict):
    """The command id belongs to a command with other content."""


class CommandApplied(Exception):
    """The database knows this command id with the same content (not an error)."""


class ConfirmationNeeded(Refused):
    """A destructive command without a terminal needs --yes."""


class PermissionDenied(Refused):
    """The database role may not do this."""


class ChangedMeanwhile(Conflict):
    """What was looked at has changed before it was confirmed."""


class CannotRollBack(Refused):
    """Something of the former state cannot come back."""


class LogIsAppendOnly(Refused):
    """Somebody tried to update, delete or truncate the log."""


class DirectWriteRefused(Refused):
    """Somebody tried to write to a projection without an event."""


class LogContradictsItself(RegistryError):
    """An event does not fit the events before it."""

    exit_status = ExitStatus.VERIFICATION


class RowsRefused(LogContradictsItself):
    """The tables refuse the rows that follow from the log."""


# ---------------------------------------------------------------- proofs


class InvalidProof(VerificationFailed):
    """A checkpoint or a proof that proves nothing: malformed, forged or of another log."""


class LogRewritten(VerificationFailed):
    """The log is not a continuation of what was signed before."""


class CheckpointKeyMissing(Unavailable):
    """No key for checkpoints is configured."""


class CheckpointKeyMalformed(Unavailable):
    """The configured key for checkpoints is not a key that signs or verifies them."""


# ---------------------------------------------------------------- keys


class MasterKeyMissing(Unavailable, ValueError):
    """No master key is configured."""


class MasterKeyMalformed(Unavailable, ValueError):
    """The configured master key is not a Fernet key."""


class MasterKeyWrong(Unavailable):
    """The master key is not the one that the registry's data was sealed with."""


class CannotDecrypt(Unavailable):
    """A sealed field does not open in this place: damaged, moved or of another key."""


# ---------------------------------------------------------------- the database and its schema


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached, or the connection was lost."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        passing: bool = False,
        undone: bool = False,
        crowded: bool = False,
        silence: float = 0,
    ) -> None:
        super().__init__(message, hint=hint)
        self.passing = passing
        """It may be otherwise in a moment."""
        self.undone = undone
        """Nothing that was sent has had any effect."""
        self.crowded = crowded
        """Too many want a connection at once."""
        self.silence = silence
        """For so many seconds nothing was heard of the server."""


class NoDatabase(Unavailable, ValueError):
    """No database is configured where none may be set up."""


class RegistryBusy(Unavailable):
    """Another session holds a lock that is needed, and did not give it up in time."""


class NotMigrated(Unavailable):
    """The database lacks migrations that this program needs."""

    def __init__(self, message: str, *, hint: str | None = None, taken_down: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.taken_down = taken_down


class SchemaTooNew(Unavailable):
    """The database was migrated by a newer version of this program."""


class MigrationChanged(Conflict):
    """A migration file differs from the one that was applied."""


class TablesDiffer(Refused):
    """The tables hold something that the log does not know."""


class InUseByOthers(Refused):
    """Objects of another program depend on the tables."""


class RebuildRunning(Conflict):
    """Another rebuild of the same database is at work."""


class LegacyInTheWay(Refused):
    """Tables that were made by hand cannot become the registry's as they are."""


class AdoptionPending(Refused):
    """Rows of a database from before the registry are not in the log yet."""


class RegistryClosed(Refused):
    """A `Registry` was used after it was closed."""


class DatabaseNotEmpty(Refused):
    """A database that is to be filled holds something already."""


# ---------------------------------------------------------------- what is not installed, or fails


class MissingExtra(RegistryError):
    """An optional package is not installed."""


class MissingProgram(RegistryError):
    """A program of PostgreSQL that is needed is not on this machine."""


class ProgramFailed(RegistryError):
    """A program of PostgreSQL ended with an error."""
