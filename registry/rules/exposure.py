"""Past access to credentials: the accounts and roles that could use one, from events alone.

Spans are measured in positions of the log, not in times. The effect of an event starts at its
position, and ends before the position of the event that ends it.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from registry.rules.account_state import Slot
from registry.rules.limits import allows
from registry.rules.sharing import share_allows
from registry.rules.stops import includes

PastEvent = Mapping[str, Any]
"""An event: `position`, `stream_id`, `event_type`, `data`."""

Span = tuple[int, int | None]
"""First position (included) and end (excluded); an end of None: still in effect."""

_ACCOUNT_ON: Final = {"AccountCreated", "AccountReactivated", "AccountRestored"}
_ACCOUNT_OFF: Final = {"AccountDeactivated", "AccountDeleted"}
_CREDENTIAL_ON: Final = {"CredentialAdded", "CredentialReactivated"}
_CREDENTIAL_OFF: Final = {"CredentialDeactivated", "CredentialRemoved"}
_ACCESS_ON: Final = {"AccessGranted"}
_ACCESS_OFF: Final = {"AccessRevoked"}
_DESCRIBED: Final = {"AccountCreated", "AccountRestored", "AccountUpdated"}
_SHARED: Final = {"SharingGranted", "SharingChanged"}


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """A version of a credential, and the span in which its slot held it."""

    credential_id: str
    exchange: str
    subaccount_index: int | None
    permission: str
    version: int
    held: Span


@dataclass(frozen=True, slots=True)
class PastShare:
    """A borrower's former or current right to a lender's credentials of one exchange."""

    borrower_id: str
    sharing_type: str
    held: Span


@dataclass(frozen=True, slots=True)
class Access:
    """A version that an account could use, and the span in which it could."""

    account_id: str
    sharing_type: str | None
    """None for the account's own credential."""
    version: HeldVersion
    span: Span


def held_versions(
    events: Sequence[PastEvent], exchange: str, graces: Mapping[int, int] | None = None
) -> list[HeldVersion]:
    """Every version in a slot of the exchange, from an account's own events.

    A former version is held while its grace lasts. `graces` tells where one ended by the clock:
    the position of its event -> the first position behind it.
    """
    versions: list[HeldVersion] = []
    of_exchange = [e for e in events if e["data"].get("exchange") == exchange]
    for index, event in enumerate(of_exchange):
        data = event["data"]
        if event["event_type"] not in ("CredentialAdded", "CredentialReplaced"):
            continue
        later = of_exchange[index + 1 :]
        end = _end_of(event, "credential_id", later, {"CredentialReplaced", "CredentialRemoved"})
        kept = [e for e in later if e["event_type"] == "CredentialVersionKept"]
        kept = [e for e in kept if e["data"]["data_key_id"] == data["data_key_id"]]
        if kept:
            end = _end_of_grace(kept[-1], later, graces or {})
        versions.append(
            HeldVersion(
                data["credential_id"],
                exchange,
                data.get("subaccount_index"),
                data["permission"],
                data["version"],
                (event["position"], end),
            )
        )
    return versions


def shares_of(events: Sequence[PastEvent], exchange: str) -> list[PastShare]:
    """Every share of the exchange, from the events that name the lender."""
    shares: list[PastShare] = []
    of_exchange = [
        e
        for e in events
        if e["event_type"].startswith("Sharing") and e["data"].get("exchange") == exchange
    ]
    for index, event in enumerate(of_exchange):
        if event["event_type"] not in _SHARED:
            continue
        end = _end_of(event, "share_id", of_exchange[index + 1 :], {*_SHARED, "SharingRevoked"})
        span = event["position"], end
        shares.append(PastShare(str(event["stream_id"]), event["data"]["sharing_type"], span))
    return shares


def _end_of_grace(
    kept: PastEvent, later: Iterable[PastEvent], graces: Mapping[int, int]
) -> int | None:
    after = [event for event in later if event["position"] > kept["position"]]
    ends = [
        _end_of(kept, "data_key_id", after, {"CredentialVersionRetired"}),
        _end_of(kept, "credential_id", after, {"CredentialRemoved"}),
        graces.get(kept["position"]),
    ]
    return min((end for end in ends if end is not None), default=None)


def _end_of(
    event: PastEvent, what: str, later: Iterable[PastEvent], ending: AbstractSet[str]
) -> int | None:
    """The position of the first ending event about the same thing, or None."""
    same = (e for e in later if e["data"].get(what) == event["data"].get(what))
    return next((e["position"] for e in same if e["event_type"] in ending), None)


def who_could_use(
    lender_id: str,
    versions: Sequence[HeldVersion],
    shares: Sequence[PastShare],
    streams: Mapping[str, Sequence[PastEvent]],
    window: tuple[int, int],
    stops: Sequence[PastEvent] = (),
) -> list[Access]:
    """The accounts that could use these versions within a window, both of its ends included.

    `streams` holds the events of the lender's and of each borrower's account, `stops` those of
    all stops.
    """
    found = []
    for version in versions:
        usable = _common(
            [version.held],
            credential_active(streams[lender_id], version.credential_id),
            account_active(streams[lender_id]),
            exchange_allowed(streams[lender_id], version.exchange),
        )
        unstopped = _unstopped(stops, lender_id, lender_id, version)
        found += [Access(lender_id, None, version, span) for span in _common(usable, unstopped)]
        for share in shares:
            if not share_allows(share.sharing_type, version.permission):
                continue
            own = streams.get(share.borrower_id, ())
            may = account_active(own), exchange_allowed(own, version.exchange)
            unstopped = _unstopped(stops, share.borrower_id, lender_id, version)
            found += [
                Access(share.borrower_id, share.sharing_type, version, span)
                for span in _common(usable, [share.held], *may, unstopped)
            ]
    return [access for access in found if overlaps(access.span, window)]


def _unstopped(
    stops: Sequence[PastEvent], account_id: str, lender_id: str, version: HeldVersion
) -> list[Span]:
    """The spans in which no stop included the use of a version by an account."""
    slot = Slot(0, version.exchange, version.subaccount_index, version.permission)
    spans: list[Span] = [(0, None)]
    for event in stops:
        if event["event_type"] != "UseStopped" or not includes(
            event["data"], account_id, lender_id, slot
        ):
            continue
        later = (e["position"] for e in stops if e["data"].get("stop") == event["position"])
        end = next(later, None)
        before: Span = (0, event["position"])
        spans = _common(spans, [before] if end is None else [before, (end, None)])
    return spans


def account_active(events: Iterable[PastEvent]) -> list[Span]:
    """The spans in which an account was active, from its own events."""
    return _spans(events, _ACCOUNT_ON, _ACCOUNT_OFF)


def exchange_allowed(events: Iterable[PastEvent], exchange: str) -> list[Span]:
    """The spans in which an account's own list allowed an exchange, from its own events."""
    switches = []
    for event in events:
        is_new = event["event_type"] in _ACCOUNT_ON
        if event["event_type"] in _DESCRIBED and (is_new or "metadata" in event["data"]):
            metadata = event["data"].get("metadata")
            is_allowed = allows(metadata if isinstance(metadata, dict) else {}, exchange)
            switches.append((event["position"], is_allowed))
    return _on(switches)


def credential_active(events: Iterable[PastEvent], credential_id: str) -> list[Span]:
    """The spans in which a credential was active, from its account's events."""
    own = (e for e in events if e["data"].get("credential_id") == credential_id)
    return _spans(own, _CREDENTIAL_ON, _CREDENTIAL_OFF)


def roles_in(events: Sequence[PastEvent], span: Span, window: tuple[int, int]) -> list[str]:
    """The login roles that could use an account at a position of both the span and the window."""
    of_role: dict[str, list[PastEvent]] = {}
    for event in events:
        if event["event_type"] in _ACCESS_ON | _ACCESS_OFF:
            of_role.setdefault(event["data"]["role"], []).append(event)
    could = {
        role: _common([span], _spans(own, _ACCESS_ON, _ACCESS_OFF)) for role, own in of_role.items()
    }
    return sorted(
        role for role, spans in could.items() if any(overlaps(both, window) for both in spans)
    )


def overlaps(span: Span, window: tuple[int, int]) -> bool:
    """Whether the span and the window (both of its ends included) overlap."""
    start, end = span
    return start <= window[1] and (end is None or end > window[0])


def _spans(events: Iterable[PastEvent], on: set[str], off: set[str]) -> list[Span]:
    # An adopted or restored account or credential may be inactive from the start.
    return _on(
        (event["position"], event["event_type"] in on)
        for event in events
        if event["event_type"] in off
        or (event["event_type"] in on and event["data"].get("is_active", True))
    )


def _on(switches: Iterable[tuple[int, bool]]) -> list[Span]:
    """The spans from each position that switches something on to the next that switches it off."""
    spans: list[Span] = []
    start: int | None = None
    for position, is_on in switches:
        if is_on and start is None:
            start = position
        elif not is_on and start is not None:
            spans.append((start, position))
            start = None
    return spans if start is None else [*spans, (start, None)]


def _common(*each: Sequence[Span]) -> list[Span]:
    """The intersections of all lists of spans."""
    common: list[Span] = [(0, None)]
    for spans in each:
        common = [
            both for access in common for other in spans if (both := _intersection(access, other))
        ]
    return common


def _intersection(access: Span, other: Span) -> Span | None:
    start = max(access[0], other[0])
    ends = [end for end in (access[1], other[1]) if end is not None]
    end = min(ends, default=None)
    return (start, end) if end is None or start < end else None
