"""The history: the events of an account, an exchange, a credential or an actor.

Everything is read through the view `audit_trail`, which has no tokens. Each filter has an index
by spans of the log (see migration 026), so a short answer is quick even in a long log. Of two
filters PostgreSQL reads the rarer one's index, or both. The only slow case is two common filters
that rarely match together.
"""

import datetime as dt
import difflib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql
from psycopg.rows import dict_row

from projections.accounts import TABLE as ACCOUNTS
from projections.credentials import TABLE as CREDENTIALS
from registry.database.connection import Connection, Database, registry_errors
from registry.database.queries import load_queries, read_rows
from registry.errors import CredentialNotFound, InvalidInput
from registry.events.permissions import Permission
from registry.execution.lookup import account_id, check_names
from registry.hints import Blank, Command, Hint
from registry.log.reading import events_before

_QUERIES = load_queries("registry.services.reading", "history.sql")
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


def event_reader(
    connection: Connection, wanted: HistoryFilter, types: Sequence[str] = ()
) -> Callable[[Connection, int, int], list[Record]]:
    """Reads the matching events from a position until before another, with their leaf hashes.

    `types` may name several event types, one of which an event then has.

    Raises:
        AccountNotFound, ExchangeNotFound: see `history`.
        InvalidInput: there is no such event type.
    """
    for event_type in types:
        _check_type(event_type)
    statement = _compose("show", positions=_compose("between"), more=sql.SQL(", t.leaf_hash"))
    known = {**_parameters(connection, wanted), "types": list(types) or None}

    def read(connection: Connection, start: int, end: int) -> list[Record]:
        return read_rows(connection, statement, {**known, "from": start, "to": end})

    return read


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
    shared["more"] = sql.SQL("")
    shared["columns"] = sql.SQL(_text("columns")).format(previous=sql.SQL(_text("previous")))
    return sql.SQL(_text(name)).format(**{**shared, **parts})


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
