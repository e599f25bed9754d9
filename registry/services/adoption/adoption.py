"""Adopts the rows of the tables from before the registry into the log.

Everything is one transaction. Rows are read in batches, in the order of the accounts, and
become events and sealed fields. Then the tables are updated to match the events. A dry run
does the same and rolls back.
"""

import contextlib
import functools
import itertools
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final, NamedTuple

import psycopg

from projections import TABLES, project
from projections.accounts import TABLE as ACCOUNTS
from projections.credentials import TABLE as CREDENTIALS
from projections.rows import Insert, Put, Table
from projections.sharing import TABLE as SHARING
from projections.versions import TABLE as VERSIONS
from registry.clock import now
from registry.database.connection import Connection, Database, registry_errors
from registry.database.outside import outside_lists
from registry.database.queries import load_queries, one_row
from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.events.base import EventModel
from registry.events.credentials import CredentialAdded
from registry.events.positions import PositionsLinked
from registry.events.registry import AdoptedTable, AdoptionDecision, LegacyAdopted
from registry.events.stored import Stream
from registry.execution.executor import Invocation
from registry.execution.vault import ADD_DATA_KEY, Vault, send_registry_key
from registry.log.append import NewEvent
from registry.log.ids import REGISTRY_STREAM
from registry.log.reading import send_versions, versions_of
from registry.plurals import counted
from registry.rebuild.merge import copy_in, fill_table, make_shadow, update_in_place
from registry.rebuild.readiness import adoption_pending, refuse_other_rebuilds
from registry.rebuild.text_rows import line_of
from registry.rules.adoption.accounts import LegacyAccount, adopt_account
from registry.rules.adoption.credentials import (
    AdoptedCredential,
    LegacyCredential,
    adopt_credentials,
)
from registry.rules.adoption.rows import LEAVE_OUT, POSITIONS, Judge, Note, told_columns
from registry.rules.adoption.sharing import LegacyShare, ShareAtWork, adopt_share, unlinked
from registry.rules.credentials import place_of, version_of
from registry.rules.positions import parts
from registry.services.adoption.keys_in_common import KeysInCommon
from registry.services.adoption.log import AdoptionLog

_QUERIES = load_queries("registry.services.adoption", "adoption.sql")
_ACCOUNTS_AT_A_TIME: Final = 500
_BLOCK: Final = 1 << 20

Progress = Callable[[int, int], None]


class _Links(NamedTuple):
    account_id: uuid.UUID
    positions: list[uuid.UUID]
    version: int


class _Groups:
    """Credentials in the order of their accounts, consumed account by account."""

    def __init__(self, rows: Iterator[LegacyCredential]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def take(self, wanted: Callable[[str], bool]) -> list[LegacyCredential]:
        """The next credentials, as long as their account's id is wanted."""
        taken = []
        while self._next is not None and wanted(self._next.account_id):
            taken.append(self._next)
            self._next = next(self._rows, None)
        return taken


@dataclass(slots=True)
class Adoption:
    """The result of an adoption, or of its dry run."""

    found: bool = False
    """Whether there were rows to adopt."""
    done: bool = False
    """Whether the adoption was committed."""
    adopted: Counter[str] = field(default_factory=Counter)
    """Table -> number of adopted rows."""
    left_out: Counter[str] = field(default_factory=Counter)
    judge: Judge = field(default_factory=Judge)
    own_columns: list[str] = field(default_factory=list)
    """Columns that the registry does not know; they are not touched."""
    position: int | None = None
    """The position of the adoption's own event."""
    seconds: float = 0.0


def adopt(
    database: Database,
    keyrings: Sequence[MasterKeyring],
    invocation: Invocation,
    judge: Judge | None = None,
    progress: Progress = lambda *_: None,
) -> Adoption:
    """Adopts all rows, or none while a problem is undecided.

    The first keyring seals; the others only open existing tokens.

    Raises:
        InvalidInput: a decision does not fit, or matches no problem.
        MasterKeyWrong: the registry was set up with another master key.
        RebuildRunning: a rebuild or another adoption is running.
    """
    result = Adoption(judge=judge or Judge())
    with database.connection() as connection:
        started = time.monotonic()
        with registry_errors(connection), connection.transaction():
            refuse_other_rebuilds(connection)
            if not adoption_pending(connection):
                return result
            result.found = True
            _Run(connection, keyrings, invocation, result).adopt_all(progress)
            result.done = not result.judge.undecided and not invocation.dry_run
            result.seconds = time.monotonic() - started
            if not result.done:
                raise psycopg.Rollback
    return result


class _Run:
    """One adoption, within its transaction."""

    def __init__(
        self,
        connection: Connection,
        keyrings: Sequence[MasterKeyring],
        invocation: Invocation,
        result: Adoption,
    ) -> None:
        self._connection = connection
        self._keyrings = keyrings
        self._invocation = invocation
        self._result = result
        self._judge = result.judge
        self._time = now()
        self._log = AdoptionLog(connection, invocation)
        self._vault = Vault(keyrings[0], send_registry_key(connection))
        self._names: set[str] = set()
        self._spools: dict[str, IO[bytes]] = {}
        self._keys = KeysInCommon(connection, self._vault)

    def adopt_all(self, progress: Progress) -> None:
        with contextlib.ExitStack() as stack:
            for table in (ACCOUNTS, CREDENTIALS, SHARING, VERSIONS):
                self._spools[table.name] = stack.enter_context(tempfile.TemporaryFile())
            self._find_own_columns()
            self._accounts(progress)
            self._keys.note(self._judge)
            self._change_tables(ACCOUNTS, CREDENTIALS)
            self._versions()
            self._shares()
            self._positions()
            self._finish()

    @property
    def _writing(self) -> bool:
        # As soon as a problem is undecided, nothing is written: the rest is only examined.
        return not self._judge.undecided

    # ------------------------------------------------------------ accounts and credentials

    def _accounts(self, progress: Progress) -> None:
        accounts, credentials = one_row(self._connection.execute(_QUERIES["counts"]))
        passed = 0
        rows = self._stream("accounts", LegacyAccount, ACCOUNTS, "n")
        held = _Groups(self._stream("credentials", LegacyCredential, CREDENTIALS, "c"))
        for number, account in enumerate(rows, start=1):
            self._orphans(held.take(account.id.__gt__))
            own = held.take(account.id.__eq__)
            self._account(account, own)
            passed += 1 + len(own)
            if number % _ACCOUNTS_AT_A_TIME == 0:
                self._flush()
                progress(passed, accounts + credentials)
        self._orphans(held.take(lambda _: True))
        self._flush()
        progress(passed, accounts + credentials)

    def _account(self, row: LegacyAccount, held: Sequence[LegacyCredential]) -> None:
        created = adopt_account(row, self._judge, self._is_free)
        adopted = adopt_credentials(held, self._judge, self._open)
        self._keys.add(row, adopted)
        if created is None or not self._writing:
            return
        self._names.add(created.account_name)
        self._result.adopted[ACCOUNTS.name] += 1
        self._result.adopted[CREDENTIALS.name] += len(adopted)
        account_id = uuid.UUID(row.id)
        added = [self._sealed(account_id, credential) for credential in adopted]
        self._record(account_id, 0, [created, *added])

    def _orphans(self, rows: Iterable[LegacyCredential]) -> None:
        adopt_credentials(rows, self._judge, self._open)

    def _sealed(self, account_id: uuid.UUID, adopted: AdoptedCredential) -> CredentialAdded:
        slot, credential_id = adopted.slot, uuid.UUID(adopted.row.id)
        sealed = self._vault.seal(credential_id, 1, place_of(str(account_id), slot), adopted.fields)
        given = {**version_of(credential_id, slot, 1, sealed), **adopted.told}
        return CredentialAdded(**given, is_active=adopted.is_active, origin="legacy")

    def _open(self, token: str) -> Secret | None:
        opened = (keyring.open_bare(token) for keyring in self._keyrings)
        return next((secret for secret in opened if secret is not None), None)

    def _is_free(self, name: str) -> bool:
        if name in self._names:
            return False
        row = self._connection.execute(_QUERIES["name_is_free"], {"name": name}).fetchone()
        free = bool(row and row[0])
        if free:
            self._names.add(name)
        return free

    # ------------------------------------------------------------ shares and positions

    def _shares(self) -> None:
        rows = self._stream("shares", LegacyShare, SHARING, "s")
        for borrower_id, shares in itertools.groupby(rows, lambda row: row.borrower_id):
            self._borrower(uuid.UUID(borrower_id), list(shares))
        self._flush()
        if self._writing:
            self._change_tables(SHARING)

    def _borrower(self, borrower_id: uuid.UUID, shares: Sequence[LegacyShare]) -> None:
        granted = [adopt_share(row, self._judge) for row in shares]
        events: list[EventModel] = [event for event in granted if event is not None]
        if self._writing and events:
            self._result.adopted[SHARING.name] += len(events)
            self._record(borrower_id, shares[0].borrower_version, events)

    def _positions(self) -> None:
        orphans = self._connection.execute(_QUERIES["unowned_links"]).fetchall()
        unlink = [row[0] for row in orphans if unlinked(row[0], row[1], self._judge)]
        if not self._writing:
            return
        if unlink:
            self._connection.execute(_QUERIES["unlink"], {"ids": unlink})
            self._result.left_out[POSITIONS] += len(unlink)
        for account_id, positions, version in self._stream("links", _Links):
            events = [PositionsLinked(positions=part) for part in parts(positions)]
            self._result.adopted[POSITIONS] += len(positions)
            self._record(account_id, version, events)
        self._flush()

    # ------------------------------------------------------------ writing

    def _record(self, stream_id: uuid.UUID, version: int, events: Sequence[EventModel]) -> None:
        """Queues the events for the log, and spools the rows that follow from them."""
        stream = Stream("account", stream_id)
        new = [
            NewEvent(stream, version + number, event, event.related_account_id)
            for number, event in enumerate(events, start=1)
        ]
        for event in self._log.add(new):
            for change in project(event):
                if isinstance(change, Insert | Put):
                    line = line_of(change.table, change.values)
                    self._spools[change.table.name].write(line.encode() + b"\n")

    def _flush(self) -> None:
        self._keys.flush()
        if self._writing:
            self._write_keys()
            self._log.flush()

    def _write_keys(self) -> None:
        keys = [w.parameters for w in self._vault.writes if w.statement == ADD_DATA_KEY]
        for write in self._vault.writes:
            if write.statement != ADD_DATA_KEY:
                write.send(self._connection)
        self._vault.writes.clear()
        with self._connection.cursor().copy(_QUERIES["copy_data_keys"]) as copy:
            for key in keys:
                copy.write_row(tuple(key.values()))

    def _change_tables(self, *tables: Table) -> None:
        if not self._writing:
            return
        if ACCOUNTS in tables:
            self._connection.execute(_QUERIES["rest_rules"])
            self._connection.execute(_QUERIES["loosen"])
            make_shadow(self._connection)
        left_out = self._left_out()
        for table in tables:
            if ids := left_out.get(table.name):
                self._result.left_out[table.name] += len(ids)
                self._delete(table, ids)
            fill_table(self._connection, table, self._spooled(table))
            update_in_place(self._connection, table)

    def _versions(self) -> None:
        if self._writing:
            copy_in(self._connection, VERSIONS, self._spooled(VERSIONS))

    def _spooled(self, table: Table) -> Iterator[bytes]:
        spool = self._spools[table.name]
        spool.seek(0)
        return iter(functools.partial(spool.read, _BLOCK), b"")

    def _left_out(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for problem, decision in self._judge.decided:
            if decision.decision == LEAVE_OUT:
                found.setdefault(problem.table, []).append(problem.id)
        return {table: sorted(set(ids)) for table, ids in found.items()}

    def _delete(self, table: Table, ids: list[str]) -> None:
        statement = _QUERIES["delete_left_out"].replace(b"{table}", table.name.encode())
        self._connection.execute(statement, {"ids": ids})

    def _finish(self) -> None:
        unused = self._judge.unused()
        if unused and self._writing:
            named = "; ".join(" ".join(key) for key in unused[:5])
            raise InvalidInput(
                f"{counted(len(unused), 'decision')} about what is no problem: {named}",
                hint="Take them out of the file.",
            )
        if not self._writing:
            return
        self._connection.execute(_QUERIES["tighten"])
        self._connection.execute(_QUERIES["wake_rules"])
        self._note_what_is_in_force()
        version = versions_of(send_versions(self._connection, [REGISTRY_STREAM]))[REGISTRY_STREAM]
        summary = LegacyAdopted(
            tables={
                table: AdoptedTable(
                    adopted=self._result.adopted[table], left_out=self._result.left_out[table]
                )
                for table in (ACCOUNTS.name, CREDENTIALS.name, SHARING.name, POSITIONS)
            },
            decisions=[
                AdoptionDecision(
                    table=problem.table, id=problem.id, problem=problem.problem, decision=str(made)
                )
                for problem, made in self._judge.decided
            ],
        )
        self._result.position = self._log.summary(NewEvent(REGISTRY_STREAM, version + 1, summary))

    def _note_what_is_in_force(self) -> None:
        for share in map(ShareAtWork._make, self._connection.execute(_QUERIES["shares_at_work"])):
            share.note(self._judge)
        for sentence in outside_lists(self._connection):
            account, _, rest = sentence.partition(" ")
            self._judge.note(Note(ACCOUNTS.name, "", account, "not-allowed", rest))

    # ------------------------------------------------------------ reading

    def _stream(
        self, query: str, kind: Any, table: Table | None = None, alias: str = ""
    ) -> Iterator[Any]:
        """The rows of a query, read in batches."""
        statement = _QUERIES[query]
        if table is not None:
            told = ", ".join(f"'{name}', {alias}.{name}::text" for name in told_columns(table))
            statement = statement.replace(b"{told}", f"json_build_object({told})".encode())
        with self._connection.cursor(name=f"adopt_{query}") as cursor:
            cursor.itersize = 2_000
            cursor.execute(statement)
            yield from map(kind._make, cursor)

    def _find_own_columns(self) -> None:
        parameters = {
            "tables": [ACCOUNTS.name, CREDENTIALS.name, SHARING.name],
            "columns": [f"{table.name}.{column}" for table in TABLES for column in table.columns],
        }
        rows = self._connection.execute(_QUERIES["own_columns"], parameters)
        self._result.own_columns = [".".join(row) for row in rows]
