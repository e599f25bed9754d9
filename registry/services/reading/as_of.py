"""Shows accounts as of a moment: replays the events up to it and reads nothing else.

A moment is a position in the log, or a time. Times are compared with `recorded_at`, which the
database sets and which never goes back; the clocks of senders may go back.
"""

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from projections import accounts, credentials
from projections.credentials import tokens_of
from projections.memory_sink import Rows
from projections.rows import Table
from registry.database.connection import Connection, Database, may_read_tokens, registry_errors
from registry.database.queries import load_queries
from registry.errors import AccountNotFound, InvalidInput
from registry.events.stored import StoredEvent
from registry.execution.lookup import exchange_of, send_exchange
from registry.hints import Command, Hint
from registry.log.reading import last_position_at
from registry.moments import moment
from registry.rebuild.judging import judge, rows_fit
from registry.rebuild.replay import replay_in_slices, select_events
from registry.rules.account_state import AccountState
from registry.services.reading.accounts import CREDENTIAL_COLUMNS, Record

_QUERIES = load_queries("registry.services.reading", "as_of.sql")

# A use of a credential is not an event of its account, so a replay does not know it.
_CREDENTIAL_COLUMNS: Final = tuple(c for c in CREDENTIAL_COLUMNS if c != "last_used")

Moment = int | dt.datetime


def parse_moment(value: Moment | str, what: str) -> Moment:
    """A position or a time, also out of a text; see `registry.moments`.

    Raises:
        InvalidInput: the value is neither.
    """
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    try:
        return moment(value, what)
    except InvalidInput as error:
        raise InvalidInput(
            error.message, hint=f"{error.hint} An event's number, from 0 on, will do too."
        ) from None


def position_of(connection: Connection, wanted: Moment) -> int:
    """The last position up to the moment; -1 if the moment is before the first event.

    Raises:
        InvalidInput: the log does not reach this position yet.
    """
    if isinstance(wanted, dt.datetime):
        return last_position_at(connection, wanted)
    last = last_position_at(connection, None)
    if not 0 <= wanted <= last:
        raise InvalidInput(
            f"the log has no event {wanted}",
            hint=f"The newest is {last}." if last >= 0 else "It is empty.",
        )
    return wanted


def event_at(position: int) -> str:
    """An answer of `position_of` in words."""
    return f"event {position}" if position >= 0 else "the moment before the first event"


def show_account(database: Database, name: str, wanted: Moment) -> Record:
    """The account that had this name at that moment, with its credentials.

    Reads only the events of accounts that have or had the name.

    Raises:
        AccountNotFound: no account had this name then.
        InvalidInput: the log does not reach this position yet.
    """
    with database.connection() as connection, registry_errors(connection):
        position = position_of(connection, wanted)
        parameters = {"account_name": name, "position": position}
        rows = connection.execute(_QUERIES["streams_by_name"], parameters)
        events = map(StoredEvent._make, rows)
        for _, stream in itertools.groupby(events, key=lambda event: event.stream_id):
            state = AccountState.of(stream, checked=True)
            if state.exists and state.name == name:
                return {**_account(state), "as_of": position}
        raise AccountNotFound(
            f"there was no account {name} at {event_at(position)}",
            hint=Hint("See: ", Command("list-accounts", as_of=max(position, 0))),
        )


def list_accounts(database: Database, wanted: Moment, exchange: str | None = None) -> list[Record]:
    """All accounts at that moment, by name. Replays the log up to there.

    With an exchange, only those that had a credential of it.

    Raises:
        InvalidInput: the log is not that long yet.
        ExchangeNotFound: no exchange has this name.
    """
    with database.connection() as connection, registry_errors(connection):
        asked = None
        if exchange is not None:
            asked, _ = exchange_of(send_exchange(connection, exchange), exchange)
        position = position_of(connection, wanted)
        versions = dict(connection.execute(_QUERIES["versions"], {"position": position}))
        tokens = may_read_tokens(connection)
        found: list[Record] = []

        def replayed(skipped: Sequence[int] = ()) -> Iterator[Rows]:
            selection = select_events(connection, position + 1, tokens=tokens, skipped=skipped)
            for rows in replay_in_slices(connection, selection):
                found.extend(_records(rows, versions, position, asked))
                yield rows

        # Nearly always all events count; then the first replay is the result.
        if not rows_fit(connection, replayed()):
            found.clear()
            judged = judge(connection, position + 1, tokens=tokens)
            for _ in replayed([event.position for event in judged]):
                pass
    return sorted(found, key=lambda record: record["account_name"])


def _records(
    rows: Rows, versions: dict[str, int], position: int, exchange_id: int | None
) -> Iterator[Record]:
    all_held = rows.get(credentials.TABLE.name, {}).values()
    held = Counter(row["account_id"] for row in all_held)
    there = {row["account_id"] for row in all_held if row["exchange_id"] == exchange_id}
    for key, row in rows.get(accounts.TABLE.name, {}).items():
        if exchange_id is not None and key not in there:
            continue
        yield {
            **_with_times(accounts.TABLE, row),
            "credentials": held[key],
            "version": versions[key],
            "as_of": position,
        }


def _account(state: AccountState) -> Record:
    account = _with_times(accounts.TABLE, state.account)
    held = [
        {
            "account_name": state.name,
            "exchange": state.slot_of(row).exchange,
            **_with_times(credentials.TABLE, row, _CREDENTIAL_COLUMNS),
            "account_is_active": account["is_active"],
            "fields": list(tokens_of(row)),
        }
        for row in state.credentials()
    ]
    held.sort(key=lambda c: (c["exchange"], c["permission"], c["subaccount_index"] or -1))
    return {**account, "version": state.version, "credentials": held}


def _with_times(table: Table, row: Mapping[str, Any], columns: Iterable[str] = ()) -> Record:
    """The given columns of a row, or all of them, with texts of times parsed."""
    return {
        column: dt.datetime.fromisoformat(row[column]).replace(tzinfo=dt.UTC)
        if column in table.moments and row[column] is not None
        else row[column]
        for column in columns or table.columns
    }
