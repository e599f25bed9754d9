"""Translates the database's errors to ours, by SQLSTATE and constraint, never by text.

The codes of class RG are raised by our own SQL functions. A database's DETAIL line is
never passed on: it may quote a whole row.
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from typing import Any, Final

import psycopg

from registry import errors
from registry.database.refusals import READ_ONLY_HINT, causes, never_sent, pooler_hint
from registry.database.watched import ServerSilent
from registry.hints import Command, Hint, Option

STALE_VERSION: Final = "RG001"
COMMAND_APPLIED: Final = "RG002"
COMMAND_ID_REUSED: Final = "RG003"
APPEND_ONLY: Final = "RG004"
DIRECT_WRITE: Final = "RG005"
RELEASE_REFUSED: Final = "RG021"
LIMIT_REACHED: Final = "RG022"
SHARING_REFUSED: Final = "RG023"
NOT_PERMITTED: Final = "RG024"
ACCOUNT_INACTIVE: Final = "RG025"
EXCHANGE_NOT_ALLOWED: Final = "RG026"
EXCHANGE_IN_USE: Final = "RG027"
HELD_ELSEWHERE: Final = "RG031"
STILL_HELD: Final = "RG032"

_BY_SQLSTATE: Final[dict[str, type[errors.RegistryError]]] = {
    STALE_VERSION: errors.StaleVersion,
    COMMAND_ID_REUSED: errors.CommandIdReused,
    APPEND_ONLY: errors.LogIsAppendOnly,
    DIRECT_WRITE: errors.DirectWriteRefused,
    RELEASE_REFUSED: errors.ReleaseRefused,
    LIMIT_REACHED: errors.LimitReached,
    SHARING_REFUSED: errors.SharingRefused,
    NOT_PERMITTED: errors.NotPermitted,
    ACCOUNT_INACTIVE: errors.AccountInactive,
    EXCHANGE_NOT_ALLOWED: errors.ExchangeNotAllowed,
    EXCHANGE_IN_USE: errors.ExchangeInUse,
    HELD_ELSEWHERE: errors.SecretInUse,
    STILL_HELD: errors.VersionHeld,
    "42710": errors.RoleExists,  # the only named objects that commands make
}

_BY_CONSTRAINT: Final[dict[str, tuple[type[errors.RegistryError], str]]] = {
    "accounts_account_name_key": (errors.AccountExists, "another account has this name already"),
    "account_exchange_credentials_slot": (
        errors.CredentialExists,
        "the slot holds a credential already",
    ),
    # Two grants at once: the second decides again.
    "account_exchange_sharing_primary_account_id_exchange_id_key": (
        errors.StaleVersion,
        "another command shared with the account first",
    ),
    # Two first uses at once: the second decides again.
    "dexes_name_key": (errors.StaleVersion, "another command added the exchange first"),
    "dexes_pkey": (errors.StaleVersion, "another command added an exchange first"),
    # Two first commands at once made the registry's own key: the second decides again.
    "registry_keys_pkey": (errors.StaleVersion, "another command made the registry's key first"),
    "strategy_positions_account_id_fkey": (
        errors.AccountInUse,
        "positions are linked to the account",
    ),
    "account_exchange_sharing_shared_account_id_fkey": (
        errors.AccountInUse,
        "another account borrows from the account",
    ),
}

READ_ONLY: Final = "25006"
"""After a failover the server only reads, or the address is a standby's."""


_SESSION_ENDED: Final = ("25P03", "25P04")
"""The server ended a session whose transaction took too long, or stood still."""


def connection_lost(error: psycopg.Error) -> bool:
    """Whether the server or the network was lost (SQLSTATE class 08 or 57P, or none)."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError)
    return state[:2] == "08" or state[:3] == "57P" or state in (READ_ONLY, *_SESSION_ENDED)


_ONCE: Final = ("; then try again. With the same ", Option("command_id", ...), " it is done once.")
_LOG: Final = Hint("The server's log says more. Ask who runs it", *_ONCE)
_FAILING: Final[dict[str, tuple[str, Hint]]] = {
    "53100": (
        "the database's server has no room left on its disk",
        Hint("Make room there, or give it a larger disk", *_ONCE),
    ),
    "53": ("the database's server has not enough of what it needs", _LOG),
    "57": (
        "the database's server cancelled this",
        Hint("An administrator did, or a limit such as statement_timeout; raise it", *_ONCE),
    ),
    "58": ("the database's server cannot use its files", _LOG),
}
"""SQLSTATE, or its class -> what failed there, and the remedy."""


LOCK_NOT_AVAILABLE: Final = "55P03"
DEPENDED_UPON: Final = "2BP01"


def translate(  # noqa: C901, PLR0911 - a table in the form of code
    error: psycopg.Error, in_the_way: str = ""
) -> Exception:
    """The registry's error for a database error; `in_the_way` names who holds locks.

    `CommandApplied` stands for a command that the log holds already.
    """
    state = error.sqlstate or ""
    diagnostic = error.diag
    message = diagnostic.message_primary or type(error).__name__
    hint = diagnostic.message_hint and Hint.parse(diagnostic.message_hint)
    if state == COMMAND_APPLIED:
        return errors.CommandApplied(message)
    if state in _BY_SQLSTATE:
        return _BY_SQLSTATE[state](message, hint=hint)
    if diagnostic.constraint_name in _BY_CONSTRAINT:
        kind, text = _BY_CONSTRAINT[diagnostic.constraint_name]
        return kind(text)
    if diagnostic.constraint_name == "audit_events_pkey":
        return errors.NotMigrated(
            "the head of the log counts fewer events than there are",
            hint=Hint("Write it anew: ", Command("migrate", "repair")),
        )
    if connection_lost(error):
        return lost(error)
    if failing := _FAILING.get(state) or _FAILING.get(state[:2]):
        what, remedy = failing
        return errors.ServerFailing(f"{what}: {message}", hint=remedy)
    if state in ("40001", "40P01"):
        return errors.StaleVersion("another command changed the same rows at the same time")
    if state == LOCK_NOT_AVAILABLE:
        return errors.RegistryBusy(
            f"another session has kept what this needs locked for too long{in_the_way}",
            hint=Hint(
                "Nothing was changed; try again. A session that holds the log is shown and ended "
                "by: ",
                Command("end-session"),
                "; any other by an administrator: SELECT pg_terminate_backend(…).",
            ),
        )
    # A table whose rows are the type of a column elsewhere cannot be altered.
    if state == DEPENDED_UPON or (state == "0A000" and "row type" in message):
        # This detail lists objects, and quotes no row.
        others = ", ".join((diagnostic.message_detail or "").splitlines())
        return errors.InUseByOthers(
            f"{message}: {others}" if others else message,
            hint=Hint(
                "Drop what is not the registry's, and make it again afterwards. What begins with "
                "pg_temp is a session's own, and ends with it."
            ),
        )
    if state == "3F000" or (state[:2] == "42" and state not in ("42501", "42601")):
        return errors.NotMigrated(
            f"the database's schema does not fit this program: {message}",
            hint=Hint("Make again what is missing or changed: ", Command("migrate", "repair")),
        )
    if state == "42501":
        return errors.PermissionDenied(
            f"the database refuses this: {message}",
            hint=hint
            or Hint(
                "Commands need a login that is a member of registry_operator, verbs that only "
                "read one of registry_auditor, migrations one of registry_owner. Rights that went "
                "missing are named by: ",
                Command("doctor"),
            ),
        )
    if state[:2] in ("22", "23") or isinstance(error, psycopg.DataError):
        return errors.InvalidInput(f"the database refuses a value: {message}", hint=hint)
    return errors.RegistryError(f"the database reports: {message} ({state})", hint=hint)


def no_writes(connection: psycopg.Connection[Any] | None = None) -> errors.DatabaseUnavailable:
    """The registry's error for a server that takes no writes.

    Another attempt may find another server only where the address names several.
    """
    info = None if connection is None or connection.pgconn.status else connection.info
    which, why, hint = "the database's server", "as a standby does", READ_ONLY_HINT
    if info is not None:
        which += f" at {info.host}"
        if info.parameter_status("in_hot_standby") != "on":
            why = "by default_transaction_read_only"
            hint = READ_ONLY_HINT + (
                " Some providers set it when a disk is full: make room, and then "
                f'ALTER DATABASE "{info.dbname}" RESET default_transaction_read_only'
            )
    several = getattr(connection, "is_one_of_several", False)
    return errors.DatabaseUnavailable(
        f"{which} only reads, {why}", hint=hint, passing=several, undone=True
    )


def lost(error: psycopg.Error) -> errors.DatabaseUnavailable:
    """The registry's error for a lost connection."""
    if error.sqlstate == READ_ONLY:
        return no_writes()
    message = error.diag.message_primary or causes(error)[0]
    return errors.DatabaseUnavailable(
        f"the connection to the database was lost: {message}",
        hint=pooler_hint(message)
        or Hint(
            "Try again; with the same ", Option("command_id", ...), " it is done once at most."
        ),
        passing=True,
        undone=never_sent(message),
        silence=error.seconds if isinstance(error, ServerSilent) else 0,
    )
