"""The rules about rollbacks: the undone changes, the events for them, and their order."""

import datetime as dt
import uuid
from typing import Final

import pytest
from support.rolling_back import IDS, account, carried_out, contents, details, lines, planned
from support.stories import Access, Credential, Loan, created

from projections import TABLES, accounts, credentials
from registry.events.accounts import (
    AccountDeactivated,
    AccountDeleted,
    AccountReactivated,
    AccountRenamed,
    AccountUpdated,
)
from registry.events.base import EventModel
from registry.events.positions import PositionsLinked, PositionsUnlinked
from registry.rules.positions import PER_EVENT
from registry.rules.rollback import Histories, Plan

KEY, PASSIVE = Credential(1), Credential(2, subaccount=1)
READ_ONLY = Credential(3, permission="read_only")
KEPT = Credential(5, subaccount=7)
LOAN = Loan(IDS["beta"], "beta", "backpack")
LENT = Credential(4, "backpack")
ROLE = Access()
POSITIONS: Final = [uuid.UUID(int=0xF0 + number) for number in range(3)]
FIRST_DAY: Final = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def linked(*numbers: int) -> PositionsLinked:
    return PositionsLinked(positions=[POSITIONS[number] for number in numbers])


def unlinked(*numbers: int) -> PositionsUnlinked:
    return PositionsUnlinked(positions=[POSITIONS[number] for number in numbers])


def renamed(to: str, previous: str) -> AccountRenamed:
    return AccountRenamed(account_name=to, previous_name=previous)


LENDER: Final = account("beta", [created("beta"), LENT.added(), LENT.updated(label="beta's")])

FULL_LIFE: Final[list[EventModel]] = [
    created(
        "alpha",
        **details(accounts.TABLE)
        | {"wallet_address": "0xA", "description": "first", "metadata": {"max_positions": 3}},
    ),
    KEY.added(
        **details(credentials.TABLE) | {"label": "main", "expires_at": FIRST_DAY},
        last_used=FIRST_DAY,
    ),
    PASSIVE.added(),
    PASSIVE.deactivated(),
    KEPT.added(),
    KEPT.replaced(),
    KEPT.kept(1),
    KEPT.prepared(3, label="next"),
    LOAN.granted("read_only"),
    ROLE.granted(),
    linked(0, 1),
]
"""An account of which every column of every table says something."""

EVERYTHING_CHANGED: Final[list[EventModel]] = [
    AccountUpdated(
        **details(accounts.TABLE, 2)
        | {"wallet_address": None, "description": "second", "metadata": {}},
    ),
    renamed("omega", "alpha"),
    AccountDeactivated(),
    KEY.replaced(**details(credentials.TABLE, 2) | {"expires_at": None, "ip_allow_list": None}),
    KEY.deactivated(),
    PASSIVE.reactivated(),
    READ_ONLY.added(),
    KEPT.retired(1),
    KEPT.replaced(3),
    KEPT.kept(2),
    KEPT.prepared(4),
    LOAN.changed("full"),
    ROLE.revoked(),
    Access("another", 2).granted(),
    unlinked(0),
    linked(2),
]
EVERYTHING_GONE: Final[list[EventModel]] = [
    KEY.removed(),
    PASSIVE.removed(),
    KEPT.removed(),
    LOAN.revoked("read_only"),
    ROLE.revoked(),
    unlinked(0, 1),
    AccountDeleted(account_name="alpha"),
]


def test_the_story_of_a_full_life_fills_every_column() -> None:
    """A column that it does not fill could be forgotten by a rollback, and no test would tell."""
    rows = account("alpha", FULL_LIFE).then.rows
    for table in TABLES:
        filled = {
            name
            for row in rows[table.name].values()
            for name, value in row.items()
            if value not in (None, {}, [])
        }
        assert filled | {table.key} == set(table.columns), table.name


@pytest.mark.parametrize("since", [EVERYTHING_CHANGED, EVERYTHING_GONE], ids=["changed", "gone"])
def test_all_that_an_account_had_comes_back_and_an_inactive_credential_inactive(
    since: list[EventModel],
) -> None:
    alpha = account("alpha", FULL_LIFE, since)
    assert contents(alpha.now) != contents(alpha.then)
    plan = planned(alpha, LENDER)
    assert plan.lost == []
    done = carried_out(plan, alpha, LENDER)
    assert contents(done["alpha"]) == contents(alpha.then)
    assert contents(done["beta"]) == contents(LENDER.then)


def test_a_rollback_can_be_rolled_back() -> None:
    alpha = account("alpha", FULL_LIFE, EVERYTHING_CHANGED)
    undone = carried_out(planned(alpha, LENDER), alpha, LENDER)["alpha"]
    back = Histories(alpha.account_id, alpha.now, undone)
    plan = planned(back, LENDER)
    assert plan.lost == []
    assert contents(carried_out(plan, back, LENDER)["alpha"]) == contents(alpha.now)


def test_where_nothing_has_changed_there_is_nothing_to_do() -> None:
    assert planned(account("alpha", FULL_LIFE), LENDER) == Plan()
    gone = account("gamma", [created("gamma"), AccountDeleted(account_name="gamma")])
    assert planned(gone) == Plan()
    assert planned() == Plan()


def test_an_account_that_was_not_there_goes_with_all_it_has() -> None:
    """Its positions have no owner then, and its name is free."""
    alpha = account("alpha", [], [*FULL_LIFE[:4], LOAN.granted(), *FULL_LIFE[5:]])
    plan = planned(alpha, LENDER)
    assert lines(plan) == [
        "alpha - access of role bot_role",
        "alpha - share of beta",
        "alpha - 2 positions",
        "alpha - credential aster version 1",
        "alpha - credential aster subaccount 1 version 1",
        "alpha - account",
    ]
    assert not carried_out(plan, alpha, LENDER)["alpha"].exists


def test_each_difference_is_a_line_as_in_a_diff() -> None:
    alpha = account("alpha", FULL_LIFE, EVERYTHING_CHANGED)
    assert lines(planned(alpha, LENDER)) == [
        "omega - access of role another",
        "omega - 1 position",
        "omega - credential aster (read_only) version 1",
        "omega ~ name: 'omega' → 'alpha'",
        "omega ~ wallet_address: nothing → '0xA', description: 'second' → 'first', "
        "metadata.max_positions: nothing → 3",
        "omega ~ account: inactive → active",
        "omega ~ aster: secrets of version 2 → 1",
        "omega ~ aster: inactive → active",
        "omega ~ aster subaccount 1: active → inactive",
        "omega ~ aster subaccount 7: secrets of version 3 → 2",
        "omega ~ aster subaccount 7 version 4 is retired",
        "omega ~ aster subaccount 7 version 1 can be asked for until 2031-01-01 00:00Z",
        "omega ~ aster subaccount 7 version 3 is pending",
        "omega + 1 position",
        "omega ~ share: full → read_only",
        "omega + access of role bot_role",
    ]


def test_what_comes_back_with_a_deleted_account_is_told_under_the_name_it_had() -> None:
    alpha = account("alpha", FULL_LIFE, EVERYTHING_GONE)
    assert lines(planned(alpha, LENDER)) == [
        "alpha + account",
        "alpha + credential aster version 1",
        "alpha + credential aster subaccount 1 version 1",
        "alpha + credential aster subaccount 7 version 2",
        "alpha + 2 positions",
        "alpha + share of beta",
        "alpha + access of role bot_role",
    ]


def test_only_what_differs_of_an_account_and_its_credentials_is_changed_back() -> None:
    alpha = account(
        "alpha",
        FULL_LIFE,
        [AccountUpdated(description=None), KEY.updated(label="x", expires_at=None)],
    )
    plan = planned(alpha, LENDER)
    assert [step.event for step in plan.steps] == [
        AccountUpdated(description="first"),
        KEY.updated(label="main", expires_at=FIRST_DAY),
    ]
    assert lines(plan) == [
        "alpha ~ description: nothing → 'first'",
        "alpha ~ aster: label: 'x' → 'main', expires_at: nothing → 2030-01-01 00:00:00+00:00",
    ]


def test_details_that_changed_with_the_secrets_come_back_with_them() -> None:
    alpha = account("alpha", [created("alpha"), KEY.added(label="a")], [KEY.replaced(label="b")])
    (step,) = planned(alpha).steps
    assert step.event == KEY.replaced(1, label="a")
    same = account("alpha", [created("alpha"), KEY.added(label="a")], [KEY.replaced()])
    (step,) = planned(same).steps
    assert step.event == KEY.replaced(1)


@pytest.mark.parametrize(
    ("then", "since", "event"),
    [
        ([], [AccountDeactivated()], AccountReactivated()),
        ([AccountDeactivated()], [AccountReactivated()], AccountDeactivated()),
        ([KEY.added()], [KEY.deactivated()], KEY.reactivated()),
        ([KEY.added(), KEY.deactivated()], [KEY.reactivated()], KEY.deactivated()),
    ],
)
def test_what_was_active_is_active_again_and_what_was_not_is_not(
    then: list[EventModel], since: list[EventModel], event: EventModel
) -> None:
    plan = planned(account("alpha", [created("alpha"), *then], since))
    assert [step.event for step in plan.steps] == [event]


def test_a_share_is_an_event_about_its_lender_too() -> None:
    alpha = account("alpha", FULL_LIFE, [LOAN.revoked("read_only")])
    (step,) = planned(alpha, LENDER).steps
    assert (step.account_id, step.event) == (IDS["alpha"], LOAN.granted("read_only"))
    assert step.related_account_id == IDS["beta"]
    other = account("alpha", FULL_LIFE, [AccountDeactivated()])
    assert [step.related_account_id for step in planned(other, LENDER).steps] == [None]


def test_a_share_comes_back_with_a_lender_that_was_deleted_too() -> None:
    alpha = account("alpha", FULL_LIFE, EVERYTHING_GONE)
    beta = account(
        "beta",
        [created("beta"), LENT.added()],
        [LENT.removed(), AccountDeleted(account_name="beta")],
    )
    plan = planned(beta, alpha)
    assert plan.lost == []
    assert "alpha + share of beta" in lines(plan)
    assert LOAN.granted("read_only") in [step.event for step in plan.steps]
    done = carried_out(plan, alpha, beta)
    assert contents(done["alpha"]) == contents(alpha.then)


def test_a_share_of_another_lender_makes_room_for_the_former_one() -> None:
    gamma = account("gamma", [created("gamma"), Credential(8, "backpack").added()])
    moved = Loan(IDS["gamma"], "gamma", "backpack", number=0x52)
    alpha = account("alpha", FULL_LIFE, [LOAN.revoked("read_only"), moved.granted()])
    plan = planned(alpha, LENDER, gamma)
    assert lines(plan) == ["alpha - share of gamma", "alpha + share of beta"]
    done = carried_out(plan, alpha, LENDER, gamma)
    assert contents(done["alpha"]) == contents(alpha.then)


def test_a_share_that_changed_hands_under_its_own_id_is_ended_and_granted_again() -> None:
    gamma = account("gamma", [created("gamma"), Credential(8, "backpack").added()])
    taken = Loan(IDS["gamma"], "gamma", "backpack", LOAN.number)
    alpha = account("alpha", FULL_LIFE, [LOAN.revoked("read_only"), taken.granted("read_only")])
    plan = planned(alpha, LENDER, gamma)
    assert [step.event for step in plan.steps] == [
        taken.revoked("read_only"),
        LOAN.granted("read_only"),
    ]


def test_many_positions_are_told_by_several_events_both_ways() -> None:
    many = [uuid.UUID(int=number) for number in range(PER_EVENT + 1)]
    owned = [PositionsLinked(positions=many[:PER_EVENT]), PositionsLinked(positions=many[-1:])]
    lost = account("alpha", [created("alpha"), *owned], [PositionsUnlinked(positions=many)])
    got = account("alpha", [created("alpha")], owned)
    for one, sign in ((lost, "+"), (got, "-")):
        plan = planned(one)
        assert lines(plan) == [f"alpha {sign} 1,000 positions", f"alpha {sign} 1 position"]
        assert contents(carried_out(plan, one)["alpha"]) == contents(one.then)


def test_a_position_that_moved_between_two_accounts_moves_back() -> None:
    alpha = account("alpha", [created("alpha"), linked(0, 1)], [unlinked(0)])
    gamma = account("gamma", [created("gamma")], [linked(0)])
    plan = planned(alpha, gamma)
    assert plan.lost == []
    assert lines(plan) == ["gamma - 1 position", "alpha + 1 position"]
    done = carried_out(plan, alpha, gamma)
    assert contents(done["alpha"]) == contents(alpha.then)


def test_a_plan_has_one_order_whatever_is_in_it() -> None:
    """Two runs of one dry run show the same, and so does what is confirmed."""
    roles = [Access(f"role{number}", number) for number in range(9)]
    got = account("alpha", [created("alpha")], [role.granted() for role in roles])
    lost = account(
        "alpha",
        [created("alpha"), *[role.granted() for role in roles]],
        [role.revoked() for role in roles],
    )
    for one, sign in ((got, "-"), (lost, "+")):
        assert lines(planned(one)) == [f"alpha {sign} access of role {r.role}" for r in roles]


# Names


def test_a_name_goes_back_to_who_had_it() -> None:
    alpha = account("alpha", [created("alpha")], [renamed("x", "alpha")])
    (step,) = planned(alpha).steps
    assert step.event == renamed("alpha", "x")


def test_names_that_moved_on_from_one_account_to_the_next_go_back_in_a_free_order() -> None:
    alpha = account("alpha", [created("a")], [renamed("x", "a")])
    beta = account("beta", [created("b")], [renamed("a", "b")])
    gamma = account("gamma", [created("c")], [renamed("b", "c")])
    plan = planned(alpha, beta, gamma)
    assert [step.event for step in plan.steps] == [
        renamed("c", "b"),
        renamed("b", "a"),
        renamed("a", "x"),
    ]
    carried_out(plan, alpha, beta, gamma)


def test_names_that_went_round_in_a_circle_go_back_and_who_steps_aside_is_not_told() -> None:
    alpha = account("alpha", [created("a")], [renamed("x", "a"), renamed("b", "x")])
    beta = account("beta", [created("b")], [renamed("c", "b")])
    gamma = account("gamma", [created("c")], [renamed("a", "c")])
    plan = planned(alpha, beta, gamma)
    assert plan.lost == []
    assert sorted(lines(plan)) == [
        "a ~ name: 'a' → 'c'",
        "b ~ name: 'b' → 'a'",
        "c ~ name: 'c' → 'b'",
    ]
    assert [step.event for step in plan.steps][:2] == [
        renamed(str(IDS["alpha"]), "b"),
        renamed("b", "c"),
    ]
    done = carried_out(plan, alpha, beta, gamma)
    assert [done[name].name for name in ("alpha", "beta", "gamma")] == ["a", "b", "c"]


def test_the_name_of_an_account_that_was_not_there_is_free_for_who_had_it() -> None:
    alpha = account("alpha", [created("a")], [renamed("x", "a")])
    beta = account("beta", [], [created("a")])
    plan = planned(alpha, beta)
    assert lines(plan) == ["a - account", "x ~ name: 'x' → 'a'"]
    carried_out(plan, alpha, beta)


def test_a_deleted_account_gets_a_name_back_that_another_gives_up() -> None:
    alpha = account("alpha", [created("a")], [AccountDeleted(account_name="a")])
    beta = account("beta", [created("b")], [renamed("a", "b")])
    plan = planned(alpha, beta)
    assert lines(plan) == ["a ~ name: 'a' → 'b'", "a + account"]
    carried_out(plan, alpha, beta)
