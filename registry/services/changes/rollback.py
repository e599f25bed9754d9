"""Restores accounts to an earlier moment by appending events that undo later changes."""

import itertools
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import psycopg

from projections import access, positions, sharing, versions
from registry.database.connection import Connection, Database, registry_errors
from registry.database.outside import send_outside, sentences
from registry.database.queries import load_queries
from registry.errors import CannotRollBack, ChangedMeanwhile
from registry.events.stored import StoredEvent, Stream
from registry.execution.executor import Check, CommandExecutor, Decided, Invocation, Outcome
from registry.execution.lookup import account_id
from registry.hints import Hint, Option
from registry.log.append import NewEvent
from registry.rules import rollback as rules
from registry.rules.account_state import AccountState
from registry.rules.rollback import Histories, Line, Plan, World
from registry.services.reading.as_of import Moment, event_at, parse_moment, position_of

_QUERIES = load_queries("registry.services.changes", "rollback.sql")
_NAMED: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """The request for a rollback: its moment, and its account or all."""

    to: Moment
    account: str | None = None
    skip: bool = False
    """Leave out the changes that cannot be undone, instead of refusing."""

    @classmethod
    def of(cls, to: Moment | str, *, account: str | None, skip: bool) -> "Rollback":
        """Builds the request; the moment may be a text. Errors as `parse_moment`."""
        return cls(to=parse_moment(to, "to"), account=account, skip=skip)


@dataclass(frozen=True, slots=True)
class Preview:
    """The plan of a rollback."""

    position: int
    """The last position that is kept."""
    lines: list[Line]
    lost: list[str]
    event_types: list[str]

    @property
    def where(self) -> str:
        """The position in words."""
        return event_at(self.position)


def preview(database: Database, wanted: Rollback) -> Preview:
    """The result that `roll_back` would have now.

    Raises:
        AccountNotFound: no account has or had the name.
        InvalidInput: the log does not reach this position yet.
    """
    with database.connection() as connection, registry_errors(connection):
        task = _RollbackTask(_resolved(connection, wanted), wanted, None)
        with connection.pipeline():
            task.send_reads(connection)
        plan = task.plan()
    types = [step.event.event_type for step in plan.steps]
    return Preview(task.position, plan.lines, plan.lost, types)


def roll_back(
    database: Database, wanted: Rollback, invocation: Invocation, *, seen: Preview | None = None
) -> Outcome:
    """Appends events that undo the later changes, in one transaction; errors as `preview`.

    Exchanges, keys and the log itself are never rolled back.

    Raises:
        CannotRollBack: a change cannot be undone, and `skip` is not set.
        ChangedMeanwhile: the plan differs from the one in `seen`.
    """
    with database.connection() as connection, registry_errors(connection):
        # A time is resolved to a position once, even if the command is decided again.
        resolved = _resolved(connection, wanted)
    task = _RollbackTask(resolved, wanted, None if seen is None else seen.lines)
    reason = invocation.reason or f"rollback to {event_at(task.position)}"
    return CommandExecutor(database).execute(task, replace(invocation, reason=reason))


def _resolved(connection: Connection, wanted: Rollback) -> tuple[int, uuid.UUID | None]:
    position = position_of(connection, wanted.to)
    if wanted.account is None:
        return position, None
    return position, account_id(connection, wanted.account, also_former=True)


class OutsideCheck(Check):
    """See `executor.Check`: names what came back outside a list of allowed exchanges."""

    def __init__(self, accounts: list[uuid.UUID]) -> None:
        self._accounts = accounts

    def send(self, connection: Connection) -> psycopg.Cursor[Any]:
        """See `Check`."""
        return send_outside(connection, self._accounts)

    def take(self, answer: psycopg.Cursor[Any]) -> None:
        """See `Check`."""
        self.notes = tuple(sentences(answer))


class _RollbackTask:
    def __init__(
        self, resolved: tuple[int, uuid.UUID | None], wanted: Rollback, seen: list[Line] | None
    ) -> None:
        self.position, self._account_id = resolved
        self._wanted = wanted
        self._seen = seen

    def send_reads(self, connection: Connection) -> None:
        self._connection = connection
        parameters = {"position": self.position, "account_id": self._account_id}
        self._events: psycopg.Cursor[Any] = connection.execute(
            _QUERIES["changed_streams"], parameters
        )
        self._names = connection.execute(_QUERIES["account_names"])
        self._shares = connection.execute(_QUERIES["shares"])

    def content(self) -> Mapping[str, Any]:
        wanted = self._wanted
        return {
            "verb": "rollback",
            "to": self.position if isinstance(wanted.to, int) else wanted.to.isoformat(),
            "account": wanted.account,
            "skip": wanted.skip,
        }

    def decide(self) -> Decided:
        plan = self.plan()
        if plan.lost and not self._wanted.skip:
            named = "; ".join(plan.lost[:_NAMED])
            more = len(plan.lost) - _NAMED
            raise CannotRollBack(
                f"not everything can come back: {named}"
                + (f"; and {more} more" if more > 0 else ""),
                hint=Hint("Add ", Option("skip"), " to bring back the rest."),
            )
        if self._seen is not None and plan.lines != self._seen:
            raise ChangedMeanwhile(
                "the accounts have changed since the plan was shown", hint="Look at the plan again."
            )
        events = self._numbered(plan)
        ids = sorted({event.stream.id for event in events})
        return Decided(events, checks=[OutsideCheck(ids)] if ids else ())

    def plan(self) -> Plan:
        """The plan for the state that was read."""
        self._versions: dict[str, int] = {}
        accounts = list(self._histories())
        return rules.plan(accounts, self._world(accounts))

    def _histories(self) -> Iterable[Histories]:
        for key, events in itertools.groupby(self._events, key=lambda row: row[1]):
            then, now = AccountState(checked=True), AccountState(checked=True)
            for position, *columns in events:
                event = StoredEvent(*columns)
                now.apply(event)
                if position <= self.position:
                    then.apply(event)
            self._versions[key] = now.version
            yield Histories(key, then, now)

    def _world(self, accounts: list[Histories]) -> World:
        ids = [row["data_key_id"] for account in accounts for row in account.then.credentials()]
        ids += [
            key for account in accounts for key in account.then.rows.get(versions.TABLE.name, {})
        ]
        named = [
            key for account in accounts for key in account.then.rows.get(positions.TABLE.name, {})
        ]
        of_accounts = {"positions": named, "accounts": [account.account_id for account in accounts]}
        lenders = [
            row["shared_account_id"]
            for account in accounts
            for row in account.then.rows.get(sharing.TABLE.name, {}).values()
        ]
        named_roles = [
            row["role_name"]
            for account in accounts
            for row in account.then.rows.get(access.TABLE.name, {}).values()
        ]
        roles = self._connection.execute(_QUERIES["login_roles"], {"names": named_roles})
        lending = self._connection.execute(_QUERIES["lenders"], {"ids": lenders})
        keys = self._connection.execute(_QUERIES["data_keys"], {"ids": ids})
        owners = self._connection.execute(_QUERIES["owners"], of_accounts)
        return World(
            data_keys=frozenset(row[0] for row in keys),
            owners=dict(owners.fetchall()),
            names=dict(self._names.fetchall()),
            lenders=frozenset(lending.fetchall()),
            shares={key: tuple(share) for key, *share in self._shares},
            roles=frozenset(row[0] for row in roles),
        )

    def _numbered(self, plan: Plan) -> list[NewEvent]:
        events = []
        for step in plan.steps:
            key = str(step.account_id)
            self._versions[key] += 1
            stream = Stream("account", step.account_id)
            events.append(
                NewEvent(stream, self._versions[key], step.event, step.related_account_id)
            )
        return events
