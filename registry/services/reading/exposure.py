"""The exposure of a credential: its possible users at a moment, and the reach of a leak."""

import datetime as dt
import itertools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.clock import now
from registry.database.connection import Connection, Database, registry_errors
from registry.database.queries import load_queries, read_rows
from registry.database.snapshot import one_moment
from registry.errors import CredentialNotFound
from registry.execution.lookup import account_id, exchange_of, send_exchange
from registry.hints import Command, Hint
from registry.log.reading import last_position_at
from registry.rules.exposure import (
    Access,
    HeldVersion,
    PastEvent,
    Span,
    held_versions,
    overlaps,
    roles_in,
    shares_of,
    who_could_use,
)

_QUERIES = load_queries("registry.services.reading", "exposure.sql")
_TIMES = ("recorded_at", "occurred_at")


@dataclass(frozen=True, slots=True)
class Reach:
    """The possible and the actual recipients of a credential."""

    versions: list[dict[str, Any]]
    """The versions that the slots held in that time."""
    could_use: list[dict[str, Any]]
    """The owner and the borrowers that could use one of these versions."""
    received: list[dict[str, Any]]
    """The recipients of these versions at any time: account, role, host and purpose."""
    operators: list[str]
    """Database roles that can run commands today."""


def could_use_at(
    database: Database, account: str, exchange: str, moment: dt.datetime | None
) -> Reach:
    """The possible users of an account's credentials for an exchange, at a moment or now.

    Raises:
        AccountNotFound, ExchangeNotFound: no account ever, or no exchange, has this name.
        CredentialNotFound: the account had no credential there at that moment.
    """
    return _reach(database, account, exchange, moment, moment, one_instant=True)


def blast_radius(
    database: Database, account: str, exchange: str, since: dt.datetime | None
) -> Reach:
    """The possible users and the recipients of an account's credentials since a moment.

    Without a moment, it starts when the current versions were stored. Releases count at any
    time, since a recipient may still have the version.

    Raises:
        AccountNotFound, ExchangeNotFound: no account ever, or no exchange, has this name.
        CredentialNotFound: the account had no credential there in that time.
    """
    return _reach(database, account, exchange, since, None, one_instant=False)


def _reach(
    database: Database,
    account: str,
    exchange: str,
    start: dt.datetime | None,
    end: dt.datetime | None,
    *,
    one_instant: bool,
) -> Reach:
    with database.connection() as connection, registry_errors(connection), one_moment(connection):
        lender = account_id(connection, account, also_former=True)
        exchange_of(send_exchange(connection, exchange), exchange)
        last = last_position_at(connection, end)
        first = last if start is None else last_position_at(connection, start)
        shares = read_rows(connection, _QUERIES["shares"], {"account_id": lender})
        borrowers = {event["stream_id"] for event in shares}
        streams = _streams(connection, [lender, *borrowers])
        own = streams.get(str(lender), [])
        graces = _graces(connection, own, end or now(), last)
        held = held_versions(own, exchange, {at: ended for at, (ended, _) in graces.items()})
        versions = [version for version in held if overlaps(version.held, (first, last))]
        if not versions:
            raise _no_credential(account, exchange, own)
        if start is None and not one_instant:
            first = min(version.held[0] for version in versions)
        stops = read_rows(connection, _QUERIES["stops"])
        found = who_could_use(
            str(lender), versions, shares_of(shares, exchange), streams, (first, last), stops
        )
        events = itertools.chain(shares, *streams.values(), stops)
        ends = {ended: dict.fromkeys(_TIMES, until) for ended, until in graces.values()}
        times = ends | {event["position"]: event for event in events}
        return Reach(
            [_version(version, times) for version in versions],
            [_access(access, streams, (first, last), times) for access in found],
            _received(connection, lender, versions, last),
            [row[0] for row in connection.execute(_QUERIES["operators"])],
        )


def _graces(
    connection: Connection, own: Sequence[PastEvent], moment: dt.datetime, last: int
) -> dict[int, tuple[int, dt.datetime]]:
    """The graces that ended by the clock: position of the event -> first position behind, time.

    What ended behind the last event counts as ended at it: there is no later position.
    """
    ended = {}
    for event in own:
        if event["event_type"] == "CredentialVersionKept":
            until = dt.datetime.fromisoformat(event["data"]["usable_until"])
            if until <= moment:
                behind = min(last_position_at(connection, until) + 1, last)
                ended[event["position"]] = behind, until
    return ended


def _no_credential(account: str, exchange: str, own: Sequence[PastEvent]) -> CredentialNotFound:
    lenders = {
        str(event["data"]["lender"])
        for event in own
        if event["event_type"].startswith("Sharing") and event["data"]["exchange"] == exchange
    }
    ask = [Hint(Command("who-could-use", lender, exchange)) for lender in sorted(lenders)]
    return CredentialNotFound(
        f"account {account} had no credential of its own for {exchange} at that time",
        hint=Hint("It borrowed one, so ask about the lender's: ", Hint.joined("; ", ask))
        if lenders
        else Hint(
            "If it was removed, name a time when it was held; see: ",
            Command("history", account, exchange=exchange),
        ),
    )


def _streams(connection: Connection, ids: Sequence[uuid.UUID]) -> dict[str, list[PastEvent]]:
    streams: dict[str, list[PastEvent]] = {}
    for event in read_rows(connection, _QUERIES["account_events"], {"account_ids": list(ids)}):
        streams.setdefault(str(event["stream_id"]), []).append(event)
    return streams


def _received(
    connection: Connection, lender: uuid.UUID, versions: Iterable[HeldVersion], last: int
) -> list[dict[str, Any]]:
    wanted = {(version.credential_id, version.version) for version in versions}
    ids = sorted({credential_id for credential_id, _ in wanted})
    parameters = {"account_id": lender, "credential_ids": ids, "last": last}
    rows = read_rows(connection, _QUERIES["releases"], parameters)
    return [row for row in rows if (row["credential_id"], row["version"]) in wanted]


def _name(events: Sequence[PastEvent]) -> str | None:
    names = [e["data"]["account_name"] for e in events if "account_name" in e["data"]]
    return names[-1] if names else None


def _version(version: HeldVersion, times: Mapping[int, PastEvent]) -> dict[str, Any]:
    return {
        "credential_id": version.credential_id,
        "exchange": version.exchange,
        "subaccount_index": version.subaccount_index,
        "permission": version.permission,
        "version": version.version,
        **_times(version.held, times),
    }


def _times(span: Span, times: Mapping[int, PastEvent]) -> dict[str, dt.datetime | None]:
    """The database's times of a span, and those that the senders of its two events claimed."""
    told: dict[str, dt.datetime | None] = {}
    for name, position in zip(("from", "until"), span, strict=True):
        event = times.get(-1 if position is None else position, {})
        told |= {name: event.get("recorded_at"), f"claimed_{name}": event.get("occurred_at")}
    return told


def _access(
    access: Access,
    streams: dict[str, list[PastEvent]],
    window: tuple[int, int],
    times: Mapping[int, PastEvent],
) -> dict[str, Any]:
    events = streams.get(access.account_id, [])
    return {
        "account": _name(events) or access.account_id,
        "as": "owner" if access.sharing_type is None else "borrower",
        "sharing_type": access.sharing_type,
        "permission": access.version.permission,
        "subaccount_index": access.version.subaccount_index,
        "version": access.version.version,
        "roles": roles_in(events, access.span, window),
        **_times(access.span, times),
    }
