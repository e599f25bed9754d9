"""Rehearses a disaster: dumps the registry, restores it elsewhere, and examines the copy.

The source is only read, in one snapshot for the dump and the comparison, so that a busy
registry compares equal. Everything that the drill creates is removed again.
"""

import contextlib
import functools
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from projections.credentials import tokens_of
from registry.database.connection import (
    Connection,
    address_of,
    check_schema,
    connect,
    registry_errors,
    sessions_in_the_way,
)
from registry.database.objects import differences, made_by_migrations, read_schema
from registry.database.opening import SingleConnection
from registry.database.pooler import connect_directly, refuse_pooler
from registry.database.programs import Programs, programs_for
from registry.database.queries import load_queries
from registry.database.scratch import fresh_server, lent_database, roles_made
from registry.database.snapshot import export_snapshot, one_moment
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.encryption.sealing import DataKey, Place
from registry.errors import DatabaseUnavailable, InvalidInput, ProgramFailed, RegistryError
from registry.execution.vault import FINGERPRINT_KEY_ID
from registry.hints import Hint, Option
from registry.plurals import counted
from registry.proofs.checkpoint import Checkpoint
from registry.rebuild.rebuild import RebuildService
from registry.services.audit.checkpoints import current_checkpoint
from registry.services.audit.verification import Extent, verify
from registry.services.backups.schema_comparison import compare_schemas
from registry.services.backups.table_comparison import compare_tables
from registry.shown import shown

_QUERIES = load_queries("registry.services.backups", "drill.sql")
_LISTED: Final = 20
_NAME: Final = r'("(?:[^"]|"")+"|[\w$]+)'
_ROLES: Final = (
    re.compile(
        r"^(?:ALTER [^;]* OWNER TO|[^;]*\bGRANT [^;]* TO|[^;]*\bREVOKE [^;]* FROM) "
        rf"{_NAME}(?: WITH GRANT OPTION)?;$",
        re.MULTILINE,
    ),
    re.compile(rf"^ALTER DEFAULT PRIVILEGES FOR ROLE {_NAME}", re.MULTILINE),
)
_LARGE_OBJECT: Final = re.compile(
    r"^\d+; .* (?:BLOB|BLOB METADATA|LARGE OBJECTS?) .*\n", re.MULTILINE
)
"""An entry of a dump's list that defines large objects, or says who may use them."""
_OF_A_SESSION: Final = re.compile(r"^\d+; .* CAST \((?:.* AS )?pg_temp_\d+\..*\n", re.MULTILINE)
"""An entry about a cast of a session's own type: the dump holds the cast, and never the type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan:
    """The options of a restore drill."""

    dump: Path | None = None
    """An existing dump; None: a dump is made now, and the copy is compared with the source."""
    into: str | None = None
    """The address of an empty database to restore into; None: a temporary server."""
    against: Sequence[Checkpoint] = ()
    """Checkpoints that the restored log must continue, in addition to the source's head."""
    keyring: MasterKeyring | None = None
    """The master keys that must unwrap the restored keys; None: not checked."""


@dataclass(frozen=True, slots=True)
class RestoreStep:
    """A step of the drill, with its result and failures."""

    name: str
    told: str
    seconds: float
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DrillFinding:
    """The result of a step."""

    told: str
    failures: list[str] = field(default_factory=list)


class Steps:
    """Runs steps, and reports the result of each."""

    def __init__(self, tell: Callable[[RestoreStep], None]) -> None:
        self._tell = tell
        self.well = True

    def run(
        self, name: str, work: Callable[[], DrillFinding], *caught: type[RegistryError]
    ) -> bool:
        """Runs a step and returns whether it passed; the `caught` errors count as failures.

        Raises:
            RegistryError: any other error of `work`, and always DatabaseUnavailable.
        """
        started = time.monotonic()
        try:
            found = work()
        except DatabaseUnavailable:
            raise
        except caught as error:
            found = DrillFinding("failed", [error.message])
        listed = found.failures[:_LISTED]
        if len(found.failures) > _LISTED:
            listed.append(f"and {len(found.failures) - _LISTED} more")
        self._tell(
            RestoreStep(name, found.told, round(time.monotonic() - started, 3), tuple(listed))
        )
        self.well = self.well and not listed
        return not listed


def rehearse_restore(
    source: Target, plan: RestorePlan, tell: Callable[[RestoreStep], None]
) -> bool:
    """Runs the drill and returns whether it passed; calls `tell` after each step.

    Raises:
        MissingProgram: there is no pg_dump of the server's version.
        ProgramFailed: the source cannot be dumped.
        DatabaseNotEmpty, PermissionDenied: the target database cannot be used.
        InvalidInput: the dump cannot be read, or fits no server there.
        DatabaseUnavailable, NotMigrated, SchemaTooNew: there is no registry to dump.
    """
    if plan.dump is not None and not os.access(plan.dump, os.R_OK):
        raise InvalidInput(f"cannot read {shown(plan.dump)}")
    steps = Steps(tell)
    with contextlib.ExitStack() as made:
        original = None if plan.dump else made.enter_context(opened(source))
        place = made.enter_context(lent_database(plan.into) if plan.into else fresh_server())
        programs = _programs(original, place)
        dump = plan.dump
        if dump is None:
            folder = tempfile.TemporaryDirectory(prefix="account-registry-dump-")
            dump = Path(made.enter_context(folder)) / "registry.dump"
        if original is not None:
            steps.run("dump", functools.partial(_dump, original, programs, dump))
        restore = functools.partial(_restore, programs, dump, place, made)
        if steps.run("restore", restore, ProgramFailed):
            examine(Copy(place, original), plan, steps)
    return steps.well


@dataclass(frozen=True, slots=True)
class Original:
    """The source in one snapshot, which is also that of the dump."""

    connection: Connection
    address: str
    snapshot: str
    checkpoint: Checkpoint


@contextlib.contextmanager
def opened(source: Target) -> Iterator[Original]:
    """Opens the source for reading, in one snapshot.

    Raises:
        DatabaseUnavailable, NotMigrated, SchemaTooNew: there is no registry to read.
        LogRewritten: the head of the log does not follow from its events.
        SessionNeeded: the address is that of a pooler.
    """
    address = address_of(source.direct or source)
    with connect_directly(source) as connection, registry_errors(connection):
        check_schema(connection)
        refuse_pooler(connection, "pg_dump")
        with one_moment(connection):
            checkpoint = current_checkpoint(connection, "the source")
            yield Original(connection, address, export_snapshot(connection), checkpoint)


@dataclass(frozen=True, slots=True)
class Copy:
    """A restored database, and its source if available."""

    address: str
    original: Original | None


def examine(copy: Copy, plan: RestorePlan, steps: Steps) -> None:
    """Runs all checks on a restored database; they leave no changes in it."""
    checks: list[tuple[str, Callable[[], DrillFinding]]] = [
        ("verify", functools.partial(_verify, copy, plan)),
        ("rebuild --check", functools.partial(_check_tables, copy)),
        ("schema", functools.partial(_compare_schema, copy)),
    ]
    if copy.original is not None:
        checks.append(("rows", functools.partial(_compare_rows, copy.address, copy.original)))
    if plan.keyring is not None:
        checks.append(("keys", functools.partial(_try_keys, copy, plan.keyring)))
    for name, check in checks:
        steps.run(name, check, RegistryError)


def _programs(original: Original | None, place: str) -> Programs:
    """The programs that can dump the source, in an archive that the target server can read."""
    with connect(Target(place)) as connection:
        there = _major(connection)
    if original is None:
        return programs_for(there)
    here = _major(original.connection)
    if here > there:
        needed = f"Give the address of an empty database of PostgreSQL {here} with "
        raise InvalidInput(
            f"the source is PostgreSQL {here}, and where it was to be restored is {there}",
            hint=Hint(needed, Option("into", ...), "."),
        )
    return programs_for(here)


def _major(connection: Connection) -> int:
    return connection.info.server_version // 10_000


def _dump(original: Original, programs: Programs, dump: Path) -> DrillFinding:
    options = ("--format=custom", f"--snapshot={original.snapshot}", f"--file={dump}")
    try:
        programs.run("pg_dump", *options, "--lock-wait-timeout=30s", address=original.address)
    except ProgramFailed as error:
        if others := sessions_in_the_way(original.connection):
            raise ProgramFailed(f"{error.message}; it may have waited for {others}") from None
        raise
    size = dump.stat().st_size
    return DrillFinding(
        f"{size:,} bytes, of the registry as it was at {counted(original.checkpoint.size, 'event')}"
    )


def _restore(
    programs: Programs, dump: Path, place: str, made: contextlib.ExitStack
) -> DrillFinding:
    # Roles belong to the server, so the dump of a database does not contain them.
    new = made.enter_context(roles_made(place, _roles_in(programs, dump)))
    with connect(Target(place)) as connection, registry_errors(connection):
        # Only a superuser may give a table to a role without CREATE on its schema, and a dump
        # grants privileges last.
        connection.execute(_QUERIES["let_owner_make_tables"])
    with _list_file(_OF_A_SESSION.sub("", programs.run("pg_restore", "--list", str(dump)))) as file:
        options = ("--exit-on-error", "--single-transaction", f"--use-list={file}")
        programs.run("pg_restore", *options, str(dump), address=place)
    with connect(Target(place)) as connection:
        version = connection.info.parameter_status("server_version") or "?"
    return DrillFinding(
        f"into PostgreSQL {version.split()[0]}; {counted(len(new), 'role')} made there"
    )


def _roles_in(programs: Programs, dump: Path) -> list[str]:
    """The roles that the dump names; any login may own large objects and default rights."""
    statements = programs.run("pg_restore", "--schema-only", "--file=-", str(dump))
    if large := _LARGE_OBJECT.findall(programs.run("pg_restore", "--list", str(dump))):
        with _list_file("".join(large)) as file:
            statements += programs.run("pg_restore", f"--use-list={file}", "--file=-", str(dump))
    quoted = {name for pattern in _ROLES for name in pattern.findall(statements)} - {"PUBLIC"}
    return sorted(name.removeprefix('"').removesuffix('"').replace('""', '"') for name in quoted)


@contextlib.contextmanager
def _list_file(entries: str) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", prefix="account-registry-list-") as file:
        file.write(entries)
        file.flush()
        yield file.name


def _verify(copy: Copy, plan: RestorePlan) -> DrillFinding:
    against = [*plan.against, *([copy.original.checkpoint] if copy.original else [])]
    extent = Extent(against=against, with_keys=False, with_projections=False)
    with _database(copy.address) as database:
        verdict = verify(database, Target(copy.address), extent)
    told = (
        f"{counted(verdict.events, 'event')}, root {verdict.root.hex()}; "
        f"{counted(verdict.checkpoints, 'checkpoint')} compared"
    )
    return DrillFinding(told, list(map(str, verdict.failures)))


def _check_tables(copy: Copy) -> DrillFinding:
    with _database(copy.address) as database:
        report = RebuildService(database).check()
    told = f"{counted(report.rows, 'row')} checked against the log"
    return DrillFinding(told, list(map(str, report.listed)))


def _compare_rows(address: str, original: Original) -> DrillFinding:
    with (
        connect(Target(address)) as connection,
        registry_errors(connection),
        connection.transaction(),
    ):
        result = compare_tables(original.connection, connection)
    told = f"{counted(result.rows, 'row')} of {result.tables} tables compared with the source"
    return DrillFinding(told, result.differences)


def _compare_schema(copy: Copy) -> DrillFinding:
    with connect(Target(copy.address)) as connection, registry_errors(connection):
        if copy.original is None:
            # Without the source, at least the objects of the migrations must exist.
            failures, things = list(map(str, differences(connection))), len(made_by_migrations())
        else:
            result = compare_schemas(read_schema(copy.original.connection), connection)
            failures, things = result.differences, result.things
    told = f"{things:,} columns, constraints, views, functions, rights and the like compared"
    return DrillFinding(told, failures)


def _try_keys(copy: Copy, keyring: MasterKeyring) -> DrillFinding:
    """Unwraps every key and opens every current credential; the secrets are discarded."""
    failures: list[str] = []
    keys = credentials = 0
    with _database(copy.address) as database, database.connection() as connection:
        rows = connection.execute(_QUERIES["keys"], {"fingerprint": FINGERPRINT_KEY_ID})
        for key_id, wrapped, master_key_id in rows.fetchall():
            keys += 1
            failures += _problems(functools.partial(keyring.unwrap, key_id, wrapped, master_key_id))
        with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            for row in cursor.execute(_QUERIES["credentials"]):
                credentials += 1
                problems = _problems(functools.partial(_open, row, keyring))
                failures += [f"credential {row['id']}: {problem}" for problem in problems]
    told = f"{counted(keys, 'key')} and {counted(credentials, 'credential')} opened"
    return DrillFinding(told, failures)


def _open(row: dict[str, Any], keyring: MasterKeyring) -> None:
    key = DataKey.unwrap(keyring, row["data_key_id"], row["wrapped_key"], row["master_key_id"])
    place = Place(row["account_id"], row["exchange_id"], row["subaccount_index"], row["permission"])
    key.open(place, tokens_of(row))  # type: ignore[arg-type]  # a row of the table, as it is


def _problems(work: Callable[[], object]) -> list[str]:
    try:
        work()
    except RegistryError as error:
        return [error.message]
    return []


def _database(address: str) -> contextlib.closing[SingleConnection]:
    return contextlib.closing(SingleConnection(Target(address)))
