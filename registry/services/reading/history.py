"""The history: the events of an account, an exchange, a credential or an actor.

Everything is read through the view `audit_trail`, which has no tokens. Each filter has an index
by spans of the log (see migration 026), so a short answer is quick even in a long log. Of two
filters PostgreSQL reads the rarer one's index, or both. The only slow case is two common filters
that rarely match together.
"""

import contextlib
import datetime as dt
import difflib
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql
from psycopg.rows import dict_row

from projections.accounts import TABLE as ACCOUNTS
from projections.credentials import TABLE as CREDENTIALS
from registry.database.connection import (
    Connection,
    Database,
    check_schema,
    is_standby,
    registry_errors,
)
from registry.database.durability import wait_until_durable
from registry.database.opening import AtTarget
from registry.database.pooler import connect_directly, lends_transactions
from registry.database.queries import load_queries, one_row, read_rows
from registry.errors import CredentialNotFound, DatabaseUnavailable, InvalidInput
from registry.events.permissions import Permission
from registry.execution.lookup import account_id, check_names
from registry.hints import Blank, Command, Hint
from registry.log.reading import events_before, log_size

_QUERIES = load_queries("registry.services.reading", "history.sql")
_LOCKS = load_queries("registry.database", "locks.sql")
_POLL_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.05
_ASK_SECONDS: Final = 1.0
"""How often a follower asks whom a pooler lends no session, so that nobody can wake it."""
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_STEP: Final = 1000
_MAX: Final = 2**63 - 1
_SPAN: Final = 8
_SPAN_OF_ACTORS: Final = 14
"""The index of the actors has spans of 2^14 positions, those of the other filters of 2^8."""
_ALSO_CHANGED: Final = ("fingerprints", "lender", "sharing_type")
"""What a change may change besides details."""

Record = dict[str, Any]
"""An event for people: column -> value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFilter:
    """Selects the events to show."""

    account: str | None = None
    exchange: str | None = None
    credential_id: uuid.UUID | None = None
    subaccount_index: int | None = None
    permission: Permission | None = None
    event_type: str | None = None
    actor: str | None = None
    command_id: uuid.UUID | None = None
    since: dt.datetime | None = None
    """Recorded at this moment or later, by the database's clock."""
    until: dt.datetime | None = None
    """Recorded before this moment."""
    limit: int = 100

    def __post_init__(self) -> None:
        if self.event_type is not None:
            _check_type(self.event_type)


def _check_type(event_type: str) -> None:
    from registry.events.codec import EVENT_TYPES

    if event_type not in EVENT_TYPES:
        close = difflib.get_close_matches(event_type, EVENT_TYPES, n=3) or sorted(EVENT_TYPES)
        raise InvalidInput(
            f"there are no events of the type {event_type!r}", hint=f"Such as {', '.join(close)}."
        )


def history(database: Database, wanted: HistoryFilter) -> list[Record]:
    """The newest matching events, oldest first; never a token.

    Raises:
        AccountNotFound: no account ever had this name.
        ExchangeNotFound: no exchange has this name.
        CredentialNotFound: no account is named, and no account holds the credential now.
    """
    with database.connection() as connection, registry_errors(connection):
        parameters = _parameters(connection, wanted)
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_newest(wanted), parameters, prepare=False).fetchall()


def stream_history(database: Database, wanted: HistoryFilter) -> Iterator[Record]:
    """The same, streamed, so that a long answer needs little memory.

    Raises:
        AccountNotFound, ExchangeNotFound: see `history`.
    """
    with database.connection() as connection, registry_errors(connection):
        parameters = _parameters(connection, wanted)
        with (
            connection.transaction(),
            connection.cursor(name="history", row_factory=dict_row) as cursor,
        ):
            cursor.itersize = _STEP
            yield from cursor.execute(_newest(wanted), parameters)


def follow(
    database: AtTarget, wanted: HistoryFilter, lost: Callable[[str], None] = lambda _: None
) -> Iterator[Record]:
    """The newest matching events, and then each new event as it is appended, without end.

    Positions are gapless, so it continues after the last position that it has seen. A missed
    notification or a lost connection therefore loses no event. No event is shown before it is
    durable, and so none is taken back. `lost` is called with the error's message for each lost
    connection.

    Raises:
        AccountNotFound, ExchangeNotFound: see `history`.
        InvalidInput: DATABASE_URL_DIRECT is another database.
        DatabaseUnavailable: the database cannot be reached at the start.
    """
    with _listening(database) as connection, registry_errors(connection):
        # The end is read first: events appended during the query are read by the loop below.
        position = log_size(connection)
        _keep(connection)
        parameters = _parameters(connection, wanted)
    for event in history(database, wanted):
        if event["position"] < position:
            yield event
    failures = 0
    while True:
        try:
            for events, position in _new_events(database, parameters, position):  # noqa: B007, B020
                failures = 0
                yield from events
        except DatabaseUnavailable as error:
            lost(error.message)
            time.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1


@contextlib.contextmanager
def _listening(database: AtTarget) -> Iterator[Connection]:
    """A connection with a session of its own, if there is an address for that."""
    if database.target.direct is None:
        with database.connection() as connection:
            yield connection
    else:
        with connect_directly(database.target) as connection:
            check_schema(connection)
            yield connection


def _new_events(
    database: AtTarget, parameters: Record, position: int
) -> Iterator[tuple[list[Record], int]]:
    """Yields batches of new events from a position on, each with the next position."""
    statement = _compose("show", positions=_compose("since_position"))
    with _listening(database) as connection, registry_errors(connection):
        listens, following = not lends_transactions(connection), False
        if listens:
            connection.execute(_QUERIES["listen"])
        while True:
            # Before the log is read, so that every later append sends a notification.
            if listens and not following:
                (following,) = one_row(connection.execute(_LOCKS["follow"], {"lock": 7234117009}))
            end = log_size(connection)
            while position < end:
                start, position = position, min(position + _STEP, end)
                rows = read_rows(
                    connection, statement, {**parameters, "from": start, "to": position}
                )
                if rows:
                    _keep(connection)
                yield rows, position
            # Woken by an append, or by the timeout in case a notification was lost.
            retry = _RETRY_SECONDS if listens else _ASK_SECONDS
            patience = _POLL_SECONDS if following else retry
            for _ in connection.notifies(timeout=patience, stop_after=1):
                pass


def _keep(connection: Connection) -> None:
    """Returns when no crash or failover can take back what was read: commits are seen earlier."""
    if not is_standby(connection):
        wait_until_durable(connection)


def _newest(wanted: HistoryFilter) -> sql.Composed:
    of_account = wanted.account is not None or wanted.credential_id is not None
    filtered = (wanted.exchange, wanted.event_type, wanted.actor) != (None, None, None)
    name = "newest_by_span" if filtered else "newest"
    if wanted.command_id is not None:
        name = "newest"
    elif of_account:
        name = "newest_of_an_account"
    span = sql.Literal(_SPAN if wanted.actor is None else _SPAN_OF_ACTORS)
    return _compose("show", positions=_compose(name, span=span))


def _compose(name: str, **parts: sql.Composable) -> sql.Composed:
    shared: dict[str, sql.Composable] = {
        part: sql.SQL(_text(part)) for part in ("conditions", "about")
    }
    shared["columns"] = sql.SQL(_text("columns")).format(previous=sql.SQL(_text("previous")))
    return sql.SQL(_text(name)).format(**shared, **parts)


def _text(name: str) -> Any:
    # The driver's types accept only literal strings as SQL; these texts come from a file.
    return _QUERIES[name].decode()


def _parameters(connection: Connection, wanted: HistoryFilter) -> Record:
    check_names(connection, None, wanted.exchange)
    credential_id = None if wanted.credential_id is None else str(wanted.credential_id)
    return {
        "account_id": _account(connection, wanted),
        "exchange": wanted.exchange,
        "credential_id": credential_id,
        "subaccount": None if wanted.subaccount_index is None else str(wanted.subaccount_index),
        "permission": wanted.permission,
        "changeable": [*ACCOUNTS.details, *CREDENTIALS.details, *_ALSO_CHANGED],
        "event_type": wanted.event_type,
        "actor": wanted.actor,
        "command_id": wanted.command_id,
        "from": 0 if wanted.since is None else events_before(connection, wanted.since),
        "to": _MAX if wanted.until is None else events_before(connection, wanted.until),
        "limit": wanted.limit,
    }


def _account(connection: Connection, wanted: HistoryFilter) -> uuid.UUID | None:
    if wanted.account is not None:
        return account_id(connection, wanted.account, also_former=True)
    if wanted.credential_id is None:
        return None
    parameters = {"credential_id": wanted.credential_id}
    row = connection.execute(_QUERIES["account_of_credential"], parameters).fetchone()
    if row is None:
        command = Command("history", Blank("ACCOUNT"), credential=wanted.credential_id)
        raise CredentialNotFound(
            f"no account holds the credential {wanted.credential_id} now",
            hint=Hint("Name the account that held it: ", command),
        )
    return uuid.UUID(str(row[0]))
