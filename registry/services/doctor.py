"""The checks of `doctor`: it looks for misconfiguration, drift and damage."""

import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from registry.clock import now
from registry.database.connection import (
    Connection,
    check_schema,
    connect_once,
    is_pooled,
    may_read_tokens,
    prepared_transactions,
    registry_errors,
)
from registry.database.errors import no_writes
from registry.database.migrator import Migrator
from registry.database.objects import differences
from registry.database.own_login import may_not_migrate, own_login
from registry.database.pooler import OTHER_DATABASE, is_same_database, lends_transactions
from registry.database.queries import load_queries, one_row
from registry.database.target import DIRECT, Target
from registry.encryption.key_source import MASTER_KEY, VARIABLE, load_keyring
from registry.encryption.keyring import MasterKeyring
from registry.errors import ExitStatus, NotMigrated, PermissionDenied, RegistryError
from registry.events.stored import utc_text
from registry.execution.vault import FINGERPRINT_KEY_ID
from registry.hints import Command, Hint
from registry.log.reading import log_size
from registry.plurals import counted
from registry.rebuild.comparison import Options, Watch, examined
from registry.rebuild.readiness import adoption_pending
from registry.services.audit.guards import HINT, unnamed_keys
from registry.services.changes.sessions import log_holders
from registry.services.problems.finding import found_in
from registry.services.problems.kinds import KINDS, URGENT, KindName, Problem
from registry.services.reading.logins import left_behind, without_idle_limit

_QUERIES = load_queries("registry.services", "doctor.sql")
_CLOCK_TOLERANCE: Final = dt.timedelta(seconds=5)

_COMPARED: Final = 100_000
"""A log of more events is not replayed: whoever asks what is wrong wants to know it soon."""
_LISTED: Final = 5
_OBJECTS: Final = 20

Grade = Literal["ok", "skipped", "warning", "due", "damaged", "failed"]
"""`failed` is about how the registry is set up; `due` and `damaged` about what it holds."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    grade: Grade
    message: str
    hint: str | None = None


def examine(
    target: Target,
    notice: Callable[[str], None],
    keyring: MasterKeyring | None = None,
    *,
    quick: bool = False,
    full: bool = False,
) -> Iterator[Finding]:
    """Yields the result of each check; a check that cannot be made is a failed one.

    The keys are those of the environment unless they are given. `quick` leaves out the checks
    that read the whole log, and `full` makes them however long it is.
    """
    try:
        known = keyring or load_keyring()
        source = "the program" if keyring else MASTER_KEY.source().name
        yield Finding("master key", "ok", f"key {', '.join(known.ids)} from {source}")
        keyring = known
    except RegistryError as error:
        yield _failed("master key", error)
    try:
        connection = connect_once(target, notice)  # a diagnosis must not wait for the database
    except RegistryError as error:
        yield _failed("database", error)
        return
    with connection:
        try:
            with registry_errors(connection):
                yield from _database(connection, target)
        except RegistryError as error:
            yield _failed("database", error)
            return
        try:
            with registry_errors(connection):
                check_schema(connection)
                yield _migrations(connection)
        except RegistryError as error:
            yield _failed("schema", error)
            if isinstance(error, NotMigrated) and (refused := may_not_migrate(connection)):
                yield Finding("login", "failed", refused.message, refused.hint)
            return
        try:
            with registry_errors(connection):
                yield _objects(connection)
                yield from _contents(connection, keyring)
                yield from _problems(connection)
                yield from _whole_log(connection, quick=quick, full=full)
        except RegistryError as error:
            yield _failed("contents", error)


def _failed(check: str, error: RegistryError) -> Finding:
    hint = error.hint
    if isinstance(error, PermissionDenied):  # its hint leads here
        hint = "Only a login that is a member of registry_operator or registry_auditor can see it."
    return Finding(check, "failed", error.message, hint)


def _database(connection: Connection, target: Target) -> Iterator[Finding]:
    server = one_row(connection.execute(_QUERIES["server"]))
    version, address, database, user, clock, durable = server
    kind = "embedded PostgreSQL" if target.embedded else "PostgreSQL"
    where = f"{kind} {version}, database {database} as {user}{address}"
    yield Finding("database", "ok", where)
    yield from _pooler(connection, target, user)
    if one_row(connection.execute("SHOW transaction_read_only"))[0] == "on":
        found = no_writes(connection)
        yield Finding("database", "warning", found.message, found.hint)
    if durable != "on":
        hint = "A crash of the machine could lose acknowledged changes: turn it on."
        yield Finding("durability", "failed", f"the server runs with {durable}", hint)
    drift = abs(now() - clock)
    if drift > _CLOCK_TOLERANCE:
        message = f"this machine and the database differ by {drift.total_seconds():.0f} s"
        hint = "Synchronise both with NTP: the history shows both times."
        yield Finding("clock", "warning", message, hint)
    else:
        yield Finding("clock", "ok", "agrees with the database's")


def _pooler(connection: Connection, target: Target, user: str) -> Iterator[Finding]:
    asked = connection.info.user
    if user != asked:
        message = f"a pooler logs {asked} in as {user}: whoever asks has the rights of {user}"
        hint = "Let the pooler pass each login on: leave user= out of its databases."
        yield Finding("pooler", "failed", message, hint)
    lent = lends_transactions(connection)
    if lent:
        message = "one is in between, and lends a session for one transaction at a time"
        drill, down = Command("restore-drill"), Command("migrate", "down")
        needed = Hint(f"Without {DIRECT} there is no ", drill, ", and no rehearsal of ", down)
        yield Finding("pooler", "ok", message, None if target.direct else needed)
    elif is_pooled(connection):
        yield Finding("pooler", "ok", "one is in between, and lends a session to each client")
    if target.direct is not None:
        yield from _direct(connection, target.direct)


def _direct(connection: Connection, direct: Target) -> Iterator[Finding]:
    try:
        with connect_once(direct) as other, registry_errors(other):
            if not is_same_database(connection, other):
                yield Finding("direct address", "failed", *OTHER_DATABASE)
            elif is_pooled(other):
                message = f"{DIRECT} leads through a pooler too"
                hint = "Name the server itself there."
                yield Finding("direct address", "warning", message, hint)
            else:
                yield Finding("direct address", "ok", f"{DIRECT} leads to the same database")
    except RegistryError as error:
        yield Finding("direct address", "failed", f"{DIRECT}: {error.message}", error.hint)


def _migrations(connection: Connection) -> Finding:
    status = Migrator(connection).status()
    newest = max(statu.number for statu in status)
    return Finding("schema", "ok", f"at migration {newest:03}, all files as they were applied")


def _objects(connection: Connection) -> Finding:
    found = differences(connection)
    if found:
        hint = Hint("Make them again: ", Command("migrate", "repair", dry_run=True))
        return Finding("objects", "failed", _listed(map(str, found), _OBJECTS), hint)
    what = "tables, views, functions, triggers, indexes, constraints, rights and roles"
    return Finding("objects", "ok", f"{what} as the migrations made them")


def _contents(connection: Connection, keyring: MasterKeyring | None) -> Iterator[Finding]:
    if one_row(connection.execute(_QUERIES["bots_can_create"]))[0]:
        message = "every login may create objects in it, and so functions that others take for ours"
        revoke = "Run in the database: REVOKE CREATE ON SCHEMA public FROM PUBLIC"
        yield Finding("schema public", "warning", message, revoke)
    if keyring is not None:
        yield from _keys(connection, keyring)
    yield from _holders(connection)
    yield from _logins(connection)
    events, size, accounts = one_row(connection.execute(_QUERIES["counts"]))
    message = f"{counted(events, 'event')}, the head says {size:,}; {counted(accounts, 'account')}"
    if events == size:
        yield Finding("log", "ok", message)
        return
    head = Hint("Write the head anew: ", Command("migrate", "repair"))
    remedy = head if events > size else "Events are missing: restore a backup."
    yield Finding("log", "failed", message, remedy)


def _problems(connection: Connection) -> Iterator[Finding]:
    found = found_in(connection)
    for kind, of_kind in itertools.groupby(found, lambda problem: problem.kind):
        yield from _of_kind(kind, list(of_kind))
    if not found:
        yield Finding("problems", "ok", f"none of {len(KINDS)} kinds")


def _of_kind(kind: KindName, found: Sequence[Problem]) -> Iterator[Finding]:
    grade: Grade = "due" if kind in URGENT else "warning"
    if kind == "drift":
        grade = "damaged"
    check = KINDS[kind].check
    if len(found) > _LISTED:
        more = Hint("All of them, each with what to do: ", Command("list-problems", kind=kind))
        yield Finding(check, grade, _listed(problem.text for problem in found), more)
        return
    yield from (Finding(check, grade, problem.text, problem.hint) for problem in found)


def _listed(texts: Iterable[str], most: int = _LISTED) -> str:
    first = list(texts)
    more = f" and {len(first) - most:,} more" if len(first) > most else ""
    return "; ".join(first[:most]) + more


def _whole_log(connection: Connection, *, quick: bool, full: bool) -> Iterator[Finding]:
    size = log_size(connection)
    if quick or (size > _COMPARED and not full):
        why = "asked for a quick look" if quick else f"the log has {size:,} events"
        hint = Hint("This check reads the whole log: ", Command("doctor", full=True))
        yield Finding("tables", "skipped", f"not compared with the log: {why}", hint)
        return
    if not adoption_pending(connection):  # what is not in the log yet cannot be compared
        yield from _tables(connection)


def _tables(connection: Connection) -> Iterator[Finding]:
    try:
        with examined(connection, Watch(), Options(workers=1)) as comparison:
            report = comparison.report
    except RegistryError as error:
        damaged = error.exit_status == ExitStatus.VERIFICATION
        yield Finding("tables", "damaged" if damaged else "warning", error.message, error.hint)
        return
    if report.differing:
        first = "; ".join(map(str, report.listed[:_LISTED]))
        message = f"{counted(report.differing, 'row')} not as the log says, such as: {first}"
        yield Finding("tables", "damaged", message, Hint("Repair: ", Command("rebuild")))
    else:
        rows, events = counted(report.rows, "row"), counted(report.size, "event")
        yield Finding("tables", "ok", f"{rows}, as the log of {events} says")


def _logins(connection: Connection) -> Iterator[Finding]:
    login = own_login(connection)
    if login.is_owner and not login.is_operator:
        message = f"{login.name} owns the registry, but is no operator: it gets no secrets"
        hint = f'Let it run all commands: GRANT registry_operator TO "{login.name}"'
        yield Finding("login", "warning", message, hint)
    if login.is_owner and one_row(connection.execute(_QUERIES["is_bot"]))[0]:
        message = f"{login.name} is a member of registry_bot too, and treated as a bot"
        remedy = f'REVOKE registry_bot FROM "{login.name}"'
        yield Finding("login", "warning", message, remedy)
    for told, remedy in left_behind(connection):
        yield Finding("logins", "warning", f"{told}: part of each dump", remedy)
    if roles := without_idle_limit(connection):
        limit = "idle_in_transaction_session_timeout"
        hint = (
            "One that stands still could hold what others wait for. Run for each: "
            f"ALTER ROLE … SET {limit} = '30s'"
        )
        yield Finding("logins", "warning", f"no {limit} for {_listed(roles)}", hint)


def _holders(connection: Connection) -> Iterator[Finding]:
    for prepared, moment, remedy in prepared_transactions(connection):
        yield Finding(
            "locks",
            "warning",
            f"{prepared} keeps locks since {utc_text(moment)[:19]}Z",
            f"It outlives its session. Ask whose it is, or run in the database: {remedy}",
        )
    for holder in log_holders(connection):
        since = f" since {utc_text(holder.since)[:19]}Z" if holder.since else ""
        yield Finding(
            "log",
            "warning",
            f"session {holder.pid} of {holder.role} ({holder.application or 'no name'}, "
            f"{holder.state or 'state unknown'}) holds the log{since}",
            Hint("All commands wait for it. Ask whose it is, or end it: ", Command("end-session")),
        )


def _keys(connection: Connection, keyring: MasterKeyring) -> Iterator[Finding]:
    used = {row[0]: row[1] for row in connection.execute(_QUERIES["master_keys_in_use"])}
    unknown = {key: count for key, count in used.items() if key not in keyring.ids}
    if unknown:
        listed = ", ".join(f"{key} ({counted(count, 'key')})" for key, count in unknown.items())
        message = f"wrapped by a master key that is not configured: {listed}"
        hint = f"Add that key to {VARIABLE}, after the newest one."
        yield Finding("data keys", "failed", message, hint)
        return
    row = connection.execute(_QUERIES["fingerprint_key"]).fetchone()
    if row is None:
        yield Finding("data keys", "ok", "none yet: no credential was stored so far")
        return
    try:
        keyring.unwrap(FINGERPRINT_KEY_ID, *row)
    except RegistryError as error:
        yield _failed("data keys", error)
        return
    what = f"{sum(used.values()) - 1:,} of credentials, and the registry's own,"
    yield Finding("data keys", "ok", f"{what} are under the configured master key")
    if may_read_tokens(connection) and (left := unnamed_keys(connection)).count:
        yield Finding("data keys", "failed", left.summary, HINT)
    yield from _rotation(used, keyring)


def _rotation(used: dict[str, int], keyring: MasterKeyring) -> Iterator[Finding]:
    newest, *older = keyring.ids
    waiting = sum(count for key, count in used.items() if key != newest)
    if waiting:
        message = f"{counted(waiting, 'key')} under an older master key than {newest}"
        hint = Hint("Run: ", Command("rotate-master-key"))
        yield Finding("rotation", "warning", message, hint)
    elif older:
        message = f"no key needs {', '.join(older)} any more: it can go from {VARIABLE}"
        keep = "Keep it with your backups for as long as they are older than the rotation."
        yield Finding("rotation", "ok", message, keep)
