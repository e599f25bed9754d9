"""The rules about exposure: the possible users of each version of a key, with their times.

A log is a list of actions here; an event's position is its index in that list.
"""

import datetime as dt
import uuid
from typing import Any, Final

import pytest
from support.states import history
from support.stories import Access, Credential, Loan, created

from registry.events.accounts import (
    AccountDeactivated,
    AccountDeleted,
    AccountReactivated,
    AccountRestored,
    AccountUpdated,
)
from registry.events.base import EventModel
from registry.rules import exposure as rules
from registry.rules.exposure import HeldVersion, PastEvent, PastShare, Span

LENDER: Final = "lender"
KEY, OTHER = Credential(1), Credential(2, subaccount=1)
READ_ONLY = Credential(3, permission="read_only")
BACKPACK = Credential(4, "backpack")
LOAN = Loan(uuid.UUID(int=0xB))
ALWAYS: Final = (0, 1_000)
RESTORED: Any = {"account_name": "x", "created_at": dt.datetime(2030, 1, 1, tzinfo=dt.UTC)}

Story = list[tuple[str, EventModel]]


def told(story: Story) -> list[PastEvent]:
    """The log of a story."""
    return [
        {
            "position": position,
            "stream_id": account,
            "event_type": event.event_type,
            "data": history(event)[0].data,
        }
        for position, (account, event) in enumerate(story)
    ]


def of_lender(*events: EventModel) -> list[PastEvent]:
    return told([(LENDER, event) for event in events])


def users(story: Story, window: tuple[int, int] = ALWAYS) -> list[tuple[str, int, Span]]:
    """Who could use which version of the lender's aster keys, and when."""
    log = told(story)
    streams: dict[str, list[PastEvent]] = {}
    for event in log:
        streams.setdefault(event["stream_id"], []).append(event)
    versions = rules.held_versions(streams[LENDER], "aster")
    found = rules.who_could_use(LENDER, versions, rules.shares_of(log, "aster"), streams, window)
    return [(one.account_id, one.version.version, one.span) for one in found]


# Versions


def test_a_version_is_held_until_the_next_or_the_removal() -> None:
    events = of_lender(
        created(), KEY.added(), KEY.replaced(), KEY.updated(label="x"), KEY.removed(), OTHER.added()
    )
    assert rules.held_versions(events, "aster") == [
        HeldVersion(str(KEY.id), "aster", None, "full", 1, (1, 2)),
        HeldVersion(str(KEY.id), "aster", None, "full", 2, (2, 4)),
        HeldVersion(str(OTHER.id), "aster", 1, "full", 1, (5, None)),
    ]


def test_a_version_that_nothing_ended_is_held_still() -> None:
    events = of_lender(created(), OTHER.added(), READ_ONLY.added())
    assert rules.held_versions(events, "aster") == [
        HeldVersion(str(OTHER.id), "aster", 1, "full", 1, (1, None)),
        HeldVersion(str(READ_ONLY.id), "aster", None, "read_only", 1, (2, None)),
    ]


def test_a_version_is_not_ended_by_another_credential_or_exchange_or_by_a_deactivation() -> None:
    events = of_lender(
        *(created(), KEY.added(), OTHER.added(), OTHER.replaced(), OTHER.removed()),
        *(BACKPACK.added(), BACKPACK.removed(), KEY.deactivated()),
    )
    spans = [
        (version.credential_id, version.held) for version in rules.held_versions(events, "aster")
    ]
    assert spans == [(str(KEY.id), (1, None)), (str(OTHER.id), (2, 3)), (str(OTHER.id), (3, 4))]


def test_each_exchange_has_versions_of_its_own() -> None:
    events = of_lender(created(), KEY.added(), BACKPACK.added())
    assert [version.exchange for version in rules.held_versions(events, "backpack")] == ["backpack"]
    assert rules.held_versions(events, "lighter") == []


# Shares


def test_a_share_is_held_until_it_changes_or_ends() -> None:
    events = told(
        [("bot", LOAN.granted("read_only")), ("bot", LOAN.changed("full")), ("bot", LOAN.revoked())]
    )
    assert rules.shares_of(events, "aster") == [
        PastShare("bot", "read_only", (0, 1)),
        PastShare("bot", "full", (1, 2)),
    ]


def test_a_share_is_not_ended_by_another_one() -> None:
    other = Loan(LOAN.lender_id, number=8)
    elsewhere = Loan(LOAN.lender_id, exchange="backpack", number=LOAN.number)
    events = told(
        [
            ("bot", LOAN.granted()),
            ("two", other.granted()),
            ("two", other.revoked()),
            ("bot", elsewhere.revoked()),
            ("bot", KEY.removed()),
            ("two", other.granted("read_only")),
        ]
    )
    assert rules.shares_of(events, "aster") == [
        PastShare("bot", "full", (0, None)),
        PastShare("two", "full", (1, 2)),
        PastShare("two", "read_only", (5, None)),
    ]


# Spans of activity


@pytest.mark.parametrize(
    ("events", "spans"),
    [
        ([], []),
        ([created()], [(0, None)]),
        ([created(is_active=False)], []),
        ([created(), AccountDeactivated()], [(0, 1)]),
        ([created(), AccountDeactivated(), AccountReactivated()], [(0, 1), (2, None)]),
        ([created(is_active=False), AccountReactivated()], [(1, None)]),
        ([created(), AccountUpdated(description="x"), AccountDeleted(account_name="x")], [(0, 2)]),
        ([created(), AccountReactivated(), AccountDeactivated()], [(0, 2)]),
        ([AccountDeactivated(), created()], [(1, None)]),
        (
            [
                created(),
                AccountDeleted(account_name="x"),
                AccountRestored(is_active=True, **RESTORED),
            ],
            [(0, 1), (2, None)],
        ),
        ([AccountRestored(is_active=False, **RESTORED), AccountReactivated()], [(1, None)]),
    ],
)
def test_when_an_account_was_active(events: list[EventModel], spans: list[Span]) -> None:
    assert rules.account_active(of_lender(*events)) == spans


@pytest.mark.parametrize(
    ("events", "spans"),
    [
        ([KEY.added()], [(0, None)]),
        ([KEY.added(is_active=False)], []),
        ([KEY.added(is_active=False), KEY.reactivated()], [(1, None)]),
        ([KEY.added(), KEY.replaced(), KEY.deactivated()], [(0, 2)]),
        ([KEY.added(), KEY.deactivated(), KEY.reactivated(), KEY.removed()], [(0, 1), (2, 3)]),
        ([OTHER.added(), KEY.added(), OTHER.removed()], [(1, None)]),
        ([KEY.added(), AccountDeactivated()], [(0, None)]),
    ],
)
def test_when_a_credential_was_active(events: list[EventModel], spans: list[Span]) -> None:
    assert rules.credential_active(of_lender(*events), str(KEY.id)) == spans


@pytest.mark.parametrize(
    ("span", "window", "overlap"),
    [
        ((3, 5), (0, 2), False),
        ((3, 5), (0, 3), True),
        ((3, 5), (4, 4), True),
        ((3, 5), (5, 9), False),
        ((3, 5), (0, 9), True),
        ((3, None), (2, 2), False),
        ((3, None), (9, 9), True),
    ],
)
def test_a_span_goes_up_to_before_its_end_and_a_window_includes_both_of_its_ends(
    span: Span, window: tuple[int, int], overlap: bool
) -> None:
    assert rules.overlaps(span, window) is overlap


# Who could use a key


def test_the_holder_could_use_each_version_while_it_was_held() -> None:
    story: Story = [(LENDER, created()), (LENDER, KEY.added()), (LENDER, KEY.replaced())]
    assert users(story) == [(LENDER, 1, (1, 2)), (LENDER, 2, (2, None))]


def test_a_borrower_could_use_it_while_key_share_and_both_accounts_were_there() -> None:
    story: Story = [
        ("bot", created()),
        (LENDER, created()),
        (LENDER, KEY.added()),
        ("bot", LOAN.granted()),
        ("bot", AccountDeactivated()),
        ("bot", AccountReactivated()),
        (LENDER, AccountDeactivated()),
        (LENDER, AccountReactivated()),
        (LENDER, KEY.deactivated()),
        (LENDER, KEY.reactivated()),
        ("bot", LOAN.revoked()),
    ]
    assert [(account, span) for account, _, span in users(story)] == [
        (LENDER, (2, 6)),
        (LENDER, (7, 8)),
        (LENDER, (9, None)),
        ("bot", (3, 4)),
        ("bot", (5, 6)),
        ("bot", (7, 8)),
        ("bot", (9, 10)),
    ]


@pytest.mark.parametrize("narrow", ["read_only", "positions_only"])
def test_a_narrow_share_never_gave_a_full_key(narrow: Any) -> None:
    story: Story = [
        (LENDER, created()),
        ("bot", created()),
        (LENDER, KEY.added()),
        (LENDER, READ_ONLY.added(5)),
        ("bot", LOAN.granted(narrow)),
    ]
    assert users(story) == [
        (LENDER, 1, (2, None)),
        (LENDER, 5, (3, None)),
        ("bot", 5, (4, None)),
    ]


def test_a_widened_share_counts_from_its_change_on() -> None:
    story: Story = [
        (LENDER, created()),
        ("bot", created()),
        (LENDER, KEY.added()),
        ("bot", LOAN.granted("read_only")),
        ("bot", LOAN.changed("full")),
    ]
    assert users(story)[1:] == [("bot", 1, (4, None))]


def test_a_borrower_of_which_nothing_is_known_could_use_nothing() -> None:
    log = told([(LENDER, created()), (LENDER, KEY.added()), ("bot", LOAN.granted())])
    versions = rules.held_versions(log, "aster")
    shares = rules.shares_of(log, "aster")
    found = rules.who_could_use(LENDER, versions, shares, {LENDER: log}, ALWAYS)
    assert [(one.account_id, one.sharing_type) for one in found] == [(LENDER, None)]


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ((0, 0), []),
        ((1, 1), [(LENDER, 1)]),
        ((2, 2), [(LENDER, 2)]),
        ((1, 2), [(LENDER, 1), (LENDER, 2)]),
        ((4, 4), [(LENDER, 2), ("bot", 2)]),
        ((5, 9), [(LENDER, 2)]),
    ],
)
def test_only_the_asked_part_of_the_log_counts(
    window: tuple[int, int], found: list[tuple[str, int]]
) -> None:
    story: Story = [
        (LENDER, created()),
        (LENDER, KEY.added()),
        (LENDER, KEY.replaced()),
        ("bot", created()),
        ("bot", LOAN.granted()),
        ("bot", LOAN.revoked()),
    ]
    assert [(account, version) for account, version, _ in users(story, window)] == found


def test_a_use_says_by_which_share_it_was() -> None:
    log = told(
        [(LENDER, created()), (LENDER, KEY.added()), ("bot", created()), ("bot", LOAN.granted())]
    )
    streams = {LENDER: log[:2], "bot": log[2:]}
    versions = rules.held_versions(log, "aster")
    shares = rules.shares_of(log, "aster")
    own, borrowed = rules.who_could_use(LENDER, versions, shares, streams, ALWAYS)
    assert (own.sharing_type, borrowed.sharing_type) == (None, "full")
    assert own.version == borrowed.version == versions[0]


# Stops

LENDS: Final[Any] = {"scope": "lender", "account_id": LENDER}
OWN: Final[Any] = {"scope": "account", "account_id": LENDER}
LOG: Final = [
    (LENDER, created()),
    (LENDER, KEY.added()),
    ("bot", created()),
    ("bot", LOAN.granted()),
]


def stop_event(position: int, stream: str, **data: Any) -> PastEvent:
    event_type = "UseStopped" if data else "UseResumed"
    return {"position": position, "stream_id": stream, "event_type": event_type, "data": data}


@pytest.mark.parametrize(
    ("stops", "own", "borrowed"),
    [
        ([stop_event(9, "a", **LENDS)], [(1, None)], [(3, 9)]),
        ([stop_event(9, "a", **OWN)], [(1, 9)], [(3, 9)]),
        (
            [stop_event(9, "a", **OWN), stop_event(12, "a")],
            [(1, 9), (12, None)],
            [(3, 9), (12, None)],
        ),
        (
            [
                stop_event(9, "a", **OWN),
                stop_event(10, "b", **LENDS),
                stop_event(12, "a"),
                stop_event(15, "b"),
            ],
            [(1, 9), (12, None)],
            [(3, 9), (15, None)],
        ),
        ([stop_event(9, "a", scope="exchange", exchange="backpack")], [(1, None)], [(3, None)]),
    ],
)
def test_nobody_could_use_what_was_stopped(
    stops: list[PastEvent], own: list[Span], borrowed: list[Span]
) -> None:
    log = told(LOG)
    streams = {LENDER: log[:2], "bot": log[2:]}
    versions = rules.held_versions(log, "aster")
    shares = rules.shares_of(log, "aster")
    found = rules.who_could_use(LENDER, versions, shares, streams, ALWAYS, stops)
    spans = {account: [a.span for a in found if a.account_id == account] for account in streams}
    assert spans == {LENDER: own, "bot": borrowed}


# Login roles

ANN, BEN = Access("ann", 1), Access("ben", 2)


@pytest.mark.parametrize(
    ("span", "window", "roles"),
    [
        ((0, None), ALWAYS, ["ann", "ben"]),
        ((0, 1), ALWAYS, []),
        ((0, 2), ALWAYS, ["ben"]),
        ((0, None), (2, 2), ["ann", "ben"]),
        ((0, None), (3, 3), ["ann"]),
        ((0, None), (4, 9), ["ann", "ben"]),
        ((3, 4), ALWAYS, ["ann"]),
    ],
)
def test_a_role_could_use_an_account_while_it_was_granted(
    span: Span, window: tuple[int, int], roles: list[str]
) -> None:
    events = of_lender(created(), BEN.granted(), ANN.granted(), BEN.revoked(), BEN.granted())
    assert rules.roles_in(events, span, window) == roles


def test_the_first_event_of_a_log_counts_too() -> None:
    assert rules.roles_in(of_lender(ANN.granted()), (0, None), (0, 0)) == ["ann"]
