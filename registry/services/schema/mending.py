"""Makes objects of the schema again that are missing or were changed, and fills the tables.

The statements follow from the comparison with `migrations/objects.json`. They depend on one
another, so each is tried in a savepoint, in rounds, until nothing differs. Everything is one
transaction: what cannot be mended completely is left as it was.
"""

import functools
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

import psycopg

from projections import TABLES
from registry.database.connection import Connection, check_schema, registry_errors
from registry.database.migration_files import Migration, load_migrations
from registry.database.migrator import Migrator
from registry.database.objects import BOTS, Difference, differences
from registry.database.queries import load_queries, one_row
from registry.errors import CannotRepair, InvalidInput, PermissionDenied
from registry.execution.executor import Invocation
from registry.hints import Blank, Command, Hint
from registry.log.tree import restore_head
from registry.rebuild.comparison import Options, Watch, compared
from registry.rebuild.readiness import adoption_pending, refuse_other_rebuilds
from registry.rebuild.repair import Rebuilt, judging_if_refused, repair
from registry.services.schema.making import ORDER, ways_to_make
from registry.services.schema.schema import bring_up, is_down

_QUERIES = load_queries("registry.services.schema", "schema.sql")
_ROUNDS: Final = 6
_LOG: Final = "public.audit_events"
_HEAD: Final = "public.audit_head"
_BEHIND: Final = "the head of the log counts fewer events than there are"
_PROJECTED: Final = {f"public.{table.name}" for table in TABLES}
_DERIVED: Final = _PROJECTED - BOTS | {
    _HEAD, "public.log_marks", "public.release_answers", "public.release_collections",
    "public.registry_migrations",
}  # fmt: skip
"""Tables whose rows follow from the log, or are kept for seconds only."""


@dataclass(slots=True)
class Repaired:
    """The result of a repair."""

    objects: list[str] = field(default_factory=list)
    """What was wrong, a sentence for each object."""
    rebuilt: Rebuilt | None = None
    """Set if tables or columns were made again: their rows came back from the log."""
    dry_run: bool = False


def repair_schema(
    connection: Connection,
    invocation: Invocation,
    *,
    without_rows: Collection[str] = (),
    watch: Watch | None = None,
) -> Repaired:
    """Makes missing and changed objects again, and fills what follows from the log.

    `without_rows` names tables whose rows are lost, and that are made empty nevertheless.

    Raises:
        CannotRepair: the rows of a missing table follow from nothing, or an object of another
            program is in the way. Nothing was changed.
        InvalidInput: a name in `without_rows` is not that of such a table.
        PermissionDenied: the login does not act for the owner of the objects.
        RebuildRunning: a rebuild is running.
    """
    if is_down(connection):
        up = bring_up(connection, lambda: invocation, watch)
        return Repaired([f"{name} was not applied" for name in up.migrations], up.rebuilt)
    with registry_errors(connection):
        found = differences(connection)
        applied = {m.number for m in Migrator(connection).status() if m.applied_at}
        if not applied and {_LOG, _HEAD} <= {d.key.name for d in found}:
            check_schema(connection)  # there is no registry
        pending = [m for m in load_migrations() if m.number not in applied]
        _refuse_what_is_lost(_made_before(found, pending if applied else []), without_rows)
        wrong = list(map(str, found)) or [_BEHIND] * _head_is_behind(connection)
    if invocation.dry_run or not (wrong or pending):
        return Repaired(wrong, dry_run=invocation.dry_run)
    attempt = functools.partial(_attempt, connection, invocation, watch or Watch(), found)
    return Repaired(wrong, judging_if_refused(attempt))


def _attempt(
    connection: Connection,
    invocation: Invocation,
    watch: Watch,
    found: list[Difference],
    judged: bool,
) -> Rebuilt | None:
    rebuilt = None
    migrator = Migrator(connection)
    with migrator.locked():
        refuse_other_rebuilds(connection)
        connection.execute(_QUERIES["check_no_bodies"])
        # Tables that are made again have no rules at first, as if they waited for `adopt`.
        loose = adoption_pending(connection)
        if not any(d.wanted.relation == _HEAD for d in found):
            connection.execute(_QUERIES["lock_head"])  # commands wait here, and not in between
        if any(m.applied_at is None for m in migrator.status()):
            migrator.run_all_again()
        # What is missing now, the migrations may have made again, or the next line does.
        damaged = [*found, *_make(connection, loose=loose)]
        connection.execute(_QUERIES["lock_head"])
        if _head_is_behind(connection) or any(d.wanted.relation == _HEAD for d in damaged):
            restore_head(connection)
        to_fill = any(map(_is_filled_from_log, damaged)) or differences(connection, loose=loose)
        if to_fill and not loose:
            rebuilt = _filled(connection, invocation, watch, judged=judged)
        _make(connection, loose=loose)
        _refuse_what_is_left(connection, loose=loose)
    return rebuilt


def _filled(
    connection: Connection, invocation: Invocation, watch: Watch, *, judged: bool
) -> Rebuilt | None:
    options = Options(workers=1)
    with compared(connection, watch, options, judged=judged, inside=True) as comparison:
        if not comparison.anything_to_do:
            return None
        rebuilt = repair(connection, comparison, invocation)
    # A table cannot be altered while a check of its rows waits for the commit.
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return rebuilt


def _make(connection: Connection, *, loose: bool) -> list[Difference]:
    """Makes what can be made, and returns it."""
    made: list[Difference] = []
    for _ in range(_ROUNDS):
        found = sorted(differences(connection, loose=loose), key=lambda d: ORDER.index(d.key.kind))
        done = [d for d in found if not _refusal(connection, d)]
        made += done
        if not done:
            break
    return made


def _refusal(connection: Connection, difference: Difference) -> str:
    """What the database says to the first way of making it; empty if it takes one of the ways."""
    told = ""
    for way in ways_to_make(difference):
        try:
            with connection.transaction():
                for statement in way:
                    connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            raise PermissionDenied(
                f"this takes the login that migrates: {error.diag.message_primary}",
                hint="Set DATABASE_URL to a login that is a member of registry_owner.",
            ) from None
        except psycopg.Error as error:
            if error.sqlstate is None:
                raise
            told = told or error.diag.message_primary or type(error).__name__
        else:
            return ""
    return told


def _head_is_behind(connection: Connection) -> bool:
    return bool(one_row(connection.execute(_QUERIES["head_is_behind"]))[0])


def _is_filled_from_log(difference: Difference) -> bool:
    return (
        difference.key.kind in ("relation", "column") and difference.wanted.relation in _PROJECTED
    )


# ---------------------------------------------------------------- refusals


def _made_before(found: Iterable[Difference], pending: Iterable[Migration]) -> list[Difference]:
    """Without objects that migrations make which the database does not have yet."""
    text = "".join(migration.up_sql for migration in pending)
    return [d for d in found if f"{d.wanted.relation} (" not in text]


def _refuse_what_is_lost(found: Iterable[Difference], without_rows: Collection[str]) -> None:
    lost = [d for d in found if _is_lost(d)]
    names = [d.key.name.removeprefix("public.") for d in lost]
    if unknown := sorted(set(without_rows) - set(names)):
        raise InvalidInput(f"{unknown[0]} is not a table or column whose contents are lost")
    refused = [d for d, name in zip(lost, names, strict=True) if name not in without_rows]
    if any(d.wanted.relation == _LOG for d in lost):
        raise CannotRepair(
            f"{_sentences(lost)}: that is the log itself, and only a backup brings it back",
            hint=Hint(
                "Restore the backup into a new database, and try it: ", Command("restore-drill")
            ),
        )
    if refused:
        raise CannotRepair(
            f"{_sentences(refused)}: no event holds its contents, only a backup does",
            hint=Hint(
                "Restore it from a backup. Or give its contents up, and make it empty: ",
                Command("migrate", "repair", without_rows=Blank(names[0])),
            ),
        )


def _is_lost(difference: Difference) -> bool:
    key, table = difference.key, difference.wanted.relation
    return (
        difference.kind == "missing"
        and (key.kind == "column" or difference.wanted.definition.startswith("table"))
        and key.kind in ("relation", "column")
        and table not in _DERIVED
        and key.name != "public.strategy_positions.account_id"
    )


def _refuse_what_is_left(connection: Connection, *, loose: bool) -> None:
    if left := differences(connection, loose=loose):
        # A name that is taken prevents what is missing, and with it the rest.
        told = _refusal(connection, min(left, key=lambda d: d.kind != "missing"))
        cause = f" ({told})" if told else ""
        raise CannotRepair(
            f"this cannot be mended: {_sentences(left)}{cause}; nothing was changed",
            hint=Hint(
                "Put what is in the way aside, or restore a backup. See: ", Command("doctor")
            ),
        )


def _sentences(found: Iterable[Difference]) -> str:
    return "; ".join(map(str, found))
