"""Every error that the registry raises on purpose, with its cause and a hint.

House rule: an error is a class here, so that a program can distinguish errors without
reading texts. The message gives the problem and its cause, `hint` the remedy; neither ever
holds a secret value. Errors that bots have always caught as `ValueError` still are.
"""

import enum
import re
import sys
from collections.abc import Sequence
from typing import ClassVar, Final, Self

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
            self.add_note(hint)  # a traceback shows it below the message

    @property
    def code(self) -> str:
        """The stable name of this error in JSON output, e.g. `account_not_found`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()


def together(problems: Sequence[RegistryError], what: str = "") -> RegistryError:
    """Joins several errors into one, with the class of the first."""
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
    """The request conflicts with the stored state."""

    exit_status = ExitStatus.CONFLICT


class Refused(RegistryError):
    """The request needs another state or another permission."""

    exit_status = ExitStatus.REFUSED


class VerificationFailed(RegistryError):
    """Something contradicts the log, or the log was changed."""

    exit_status = ExitStatus.VERIFICATION


class Unavailable(RegistryError):
    """The database or a key is missing or unusable."""

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


# ---------------------------------------------------------------- credentials, exchanges, shares


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
    """Another account holds the same secret, and the command does not allow that."""


class VersionHeld(Refused):
    """Somebody may still hold the version that was to be retired."""


class VersionPending(Conflict):
    """Another version of the credential is pending already."""


class DeadKey(Refused):
    """The exchange refuses the key that was to be stored."""


class NotCheckable(Refused):
    """No client can ask the exchange about the key that was to be checked."""


class ExchangeGaveNoAnswer(Unavailable):
    """The exchange said nothing of the key: no answer, or one about something else."""


class ExchangeNotFound(NotFound):
    """No exchange has this name, or its credential fields are not known."""


class ExchangeNotAllowed(Refused):
    """The account's own list, or its lender's, does not name the exchange."""


class ExchangeExists(Conflict):
    """The exchange is defined already."""


class ExchangeInUse(Refused):
    """Credentials or shares need the definition of the exchange."""


class NothingToImport(InvalidInput):
    """A file without a complete credential."""


class OtherAccountNamed(Refused):
    """A file names another account, in its file name or its content."""


class ShareNotFound(NotFound):
    """The account borrows nothing for this exchange, or not from this lender."""


class ShareExists(Conflict):
    """The account borrows for this exchange already, from another lender."""


class SharingRefused(Refused):
    """The share would break a rule: one hop only, and only a credential that the lender has."""


class AccessNotFound(NotFound):
    """The role has no access to the account."""


class RoleNotFound(NotFound):
    """The database has no login role of this name."""


class RoleExists(Conflict):
    """The database has a role of this name already, or access of one that is gone."""


class PersonsLogin(Refused):
    """A login that owns the registry cannot be a bot's too."""


class NoLoginsHere(Refused):
    """The embedded database has one user, whom its programs share."""


# ---------------------------------------------------------------- releases and their use


class NotPermitted(Refused, ValueError):
    """The login role may not use the account, which may not exist."""


class NoCredentials(NotFound, ValueError):
    """The account has no credential at all, own or shared."""


class ReleaseRefused(Refused):
    """No credential fits the request, or the release cannot be collected (any more)."""


class UseIsStopped(ReleaseRefused):
    """A stop is in force, which includes what is asked for."""


class StopNotFound(NotFound):
    """No stop has this position or command id."""


class FallbackRefused(Refused):
    """The environment may not stand in for the registry here."""


class OperationRefused(Refused):
    """The credential may not be used for this operation."""


class CommandNotFound(NotFound):
    """There is no such program to run."""


class ProcessLimit(Unavailable):
    """The system has no room for another process now."""


class PositionNotFound(NotFound):
    """There is no position of this id, or it is not the account's."""


class PositionsOwned(Conflict):
    """Positions belong to another account."""


class LimitReached(Refused):
    """The position would be beyond the limits of its account."""


# ---------------------------------------------------------------- commands, the log and its proofs


class StaleVersion(Conflict):
    """Another command changed the stream since it was read."""


class CommandIdReused(Conflict):
    """The command id belongs to a command with other content."""


class CommandApplied(Exception):
    """The database knows this command id with the same content (not an error)."""


class ConfirmationNeeded(Refused):
    """A destructive command without a terminal needs --yes."""


class PermissionDenied(Refused):
    """The database role may not do this."""


class ChangedMeanwhile(Conflict):
    """The previewed state changed before the confirmation."""


class CannotRollBack(Refused):
    """A part of the former state cannot be restored."""


class LogIsAppendOnly(Refused):
    """The log accepts no update, delete or truncate."""


class DirectWriteRefused(Refused):
    """A projection accepts no write without an event."""


class LogContradictsItself(RegistryError):
    """An event does not fit the events before it."""

    exit_status = ExitStatus.VERIFICATION


class RowsRefused(LogContradictsItself):
    """The tables refuse the rows that follow from the log."""


class LogIsAnother(Conflict):
    """The log holds something else at a place that was read before, or ends before it."""


class InvalidProof(VerificationFailed):
    """A checkpoint or a proof that proves nothing: malformed, forged or of another log."""


class LogRewritten(VerificationFailed):
    """The log does not continue the log of a signed checkpoint, or lacks events."""


class CheckpointKeyMissing(Unavailable):
    """No key for checkpoints is configured."""


class CheckpointKeyMalformed(Unavailable):
    """The configured checkpoint key can neither sign nor verify."""


class MasterKeyMissing(Unavailable, ValueError):
    """No master key is configured."""


class MasterKeyMalformed(Unavailable, ValueError):
    """The configured master key is not a Fernet key."""


class MasterKeyWrong(Unavailable):
    """The registry's data was sealed with another master key."""


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
        """Whether another attempt may succeed soon."""
        self.undone = undone
        """Whether certainly no statement had an effect."""
        self.crowded = crowded
        """Whether the server has no connection left."""
        self.silence = silence
        """Seconds for which the server was silent; 0 if it answered."""


class ServerFailing(Unavailable):
    """The database's server has no room left, or cannot go on for another reason of its own."""


class NoDatabase(Unavailable, ValueError):
    """No database is configured, and the caller may not set one up."""


class RegistryBusy(Unavailable):
    """Another session holds a needed lock, and did not release it in time."""


class SessionNeeded(Unavailable):
    """A pooler lends no session for longer than a transaction, and this needs one."""


class NotMigrated(Unavailable):
    """The database lacks migrations that this program needs."""

    def __init__(self, message: str, *, hint: str | None = None, taken_down: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.taken_down = taken_down


class SchemaTooNew(Unavailable):
    """The database was migrated by a newer version of this program."""


class MigrationChanged(Conflict):
    """A migration file was changed after it was applied."""


class TablesDiffer(Refused):
    """The tables hold values that do not follow from the log."""


class CannotRepair(Refused):
    """Something of the schema is missing or changed, and cannot be made as it was."""


class InUseByOthers(Refused):
    """Objects of another program depend on the tables."""


class RebuildRunning(Conflict):
    """Another rebuild of the same database is at work."""


class LegacyInTheWay(Refused):
    """Tables that were made by hand cannot be taken over unchanged."""


class AdoptionPending(Refused):
    """Rows of a database from before the registry are not in the log yet."""


class RegistryClosed(Refused):
    """A `Registry` was used after it was closed."""


class DatabaseNotEmpty(Refused):
    """A database that must be empty has contents already."""


class MissingExtra(RegistryError):
    """An optional package is not installed."""

    @classmethod
    def of(cls, missing: str, *install: str) -> Self:
        """The error for a package; by default what is to be installed has the same name."""
        # A virtual environment may have no pip of its own.
        command = f"pip --python {sys.prefix} install {' '.join(install or (missing,))}"
        return cls(f"the package {missing} is not installed", hint=f"Run: {command}")


class MissingProgram(RegistryError):
    """A needed program of PostgreSQL is not installed on this machine."""


class ProgramFailed(RegistryError):
    """A program of PostgreSQL ended with an error."""
