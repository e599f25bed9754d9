"""The rules about rollbacks: unrecoverable changes are named, and the rest is undone."""

import datetime as dt
import uuid
from typing import Final

import pytest
from support.rolling_back import IDS, account, carried_out, contents, lines, planned
from support.stories import EXCHANGES, Access, Credential, Loan, created

from registry.events.accounts import (
    AccountDeactivated,
    AccountDeleted,
    AccountRenamed,
    AccountRestored,
    AccountUpdated,
)
from registry.events.base import EventModel
from registry.events.positions import PositionsLinked, PositionsUnlinked
from registry.rules.rollback import Histories, Plan

KEY = Credential(1)
ROLE = Access()
LOAN = Loan(IDS["beta"], "beta")
LENT = Credential(4)
POSITION: Final = uuid.UUID(int=0xF0)
LINKED, UNLINKED = PositionsLinked(positions=[POSITION]), PositionsUnlinked(positions=[POSITION])
NEWS: Final = AccountUpdated(description="new")
"""Something that can always be undone."""
ASTER: Final = EXCHANGES["aster"]
FIRST_DAY: Final = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def renamed(to: str, previous: str) -> AccountRenamed:
    return AccountRenamed(account_name=to, previous_name=previous)


def deleted(name: str) -> AccountDeleted:
    return AccountDeleted(account_name=name)


def types(plan: Plan) -> list[str]:
    return [step.event.event_type for step in plan.steps]


# Secrets


@pytest.mark.parametrize(
    ("since", "left"),
    [
        ([KEY.removed()], []),
        ([KEY.replaced(label="b")], [KEY.updated(label="a")]),
        ([KEY.replaced()], []),
        ([KEY.replaced(), KEY.deactivated()], [KEY.reactivated()]),
    ],
    ids=["removed", "replaced with another label", "replaced", "replaced and stopped"],
)
def test_secrets_that_were_destroyed_stay_away_and_the_rest_comes_back(
    since: list[EventModel], left: list[EventModel]
) -> None:
    alpha = account("alpha", [created("alpha"), KEY.added(label="a")], [*since, NEWS])
    plan = planned(alpha, data_keys=frozenset({str(KEY.key(2))}))
    assert plan.lost == ["the secrets of alpha for aster version 1 were destroyed"]
    assert [step.event for step in plan.steps] == [AccountUpdated(description=None), *left]
    carried_out(plan, alpha)


def test_what_is_in_use_needs_no_key_to_stay() -> None:
    alpha = account("alpha", [created("alpha"), KEY.added()], [NEWS])
    assert planned(alpha, data_keys=frozenset()).lost == []


# Names


def test_a_name_that_an_account_elsewhere_has_now_is_lost() -> None:
    alpha = account("alpha", [created("a")], [renamed("x", "a"), NEWS])
    plan = planned(alpha, names={alpha.account_id: "x", str(IDS["delta"]): "a"})
    assert plan.lost == ["the name a belongs to another account now"]
    assert types(plan) == ["AccountUpdated"]


def test_a_deleted_account_whose_name_is_taken_stays_away_as_a_whole() -> None:
    life = [created("a"), KEY.added(), LINKED, ROLE.granted()]
    gone = [KEY.removed(), UNLINKED, ROLE.revoked(), deleted("a")]
    alpha = account("alpha", life, gone)
    plan = planned(alpha, names={str(IDS["delta"]): "a"})
    assert plan == Plan(lost=["the name a belongs to another account now"])


def test_who_waits_for_a_name_that_is_lost_stays_as_it_is() -> None:
    """The second cannot have its name back, and so keeps the one that the first waits for."""
    alpha = account("alpha", [created("a")], [renamed("x", "a")])
    beta = account("beta", [created("b")], [renamed("a", "b")])
    delta = account("delta", [], [created("b")])
    plan = planned(alpha, beta, delta, owners={str(POSITION): delta.account_id})
    assert plan.steps == []
    assert plan.lost == [
        "account b owns 1 position, and cannot be deleted",
        "the name b belongs to another account now",
        "the name a belongs to another account now",
    ]


def test_a_circle_of_names_goes_back_beside_one_that_is_lost() -> None:
    alpha = account("alpha", [created("a")], [renamed("x", "a"), renamed("b", "x")])
    beta = account("beta", [created("b")], [renamed("a", "b")])
    gamma = account("gamma", [created("c")], [renamed("y", "c")])
    names = {one.account_id: one.now.name for one in (alpha, beta, gamma)}
    # Who is now called as the first was is not yet; the others only exchanged their names.
    plan = planned(gamma, alpha, beta, names={**names, str(IDS["delta"]): "c"})
    assert plan.lost == ["the name c belongs to another account now"]
    done = carried_out(plan, alpha, beta, gamma)
    assert [done[name].name for name in ("alpha", "beta", "gamma")] == ["a", "b", "y"]


# Accounts that were not there


def test_an_account_that_owns_positions_which_no_event_gave_it_is_not_deleted() -> None:
    alpha = account("alpha", [], [created("alpha"), KEY.added()])
    owners = {str(uuid.UUID(int=n)): alpha.account_id for n in range(2)}
    plan = planned(alpha, owners={**owners, "another": str(IDS["beta"])})
    assert plan.lost == ["account alpha owns 2 positions, and cannot be deleted"]
    assert types(plan) == ["CredentialRemoved"]


def test_an_account_that_lends_elsewhere_is_not_deleted_and_keeps_what_it_lends() -> None:
    alpha = account("alpha", [], [created("alpha"), KEY.added(), Credential(2, "backpack").added()])
    shares = {
        "1": (str(IDS["delta"]), alpha.account_id, ASTER),
        "2": (str(IDS["gamma"]), alpha.account_id, ASTER),
        "3": (str(IDS["gamma"]), str(IDS["beta"]), ASTER),
    }
    names = {alpha.account_id: "alpha", str(IDS["gamma"]): "gamma"}
    plan = planned(alpha, shares=shares, names=names)
    borrowers = f"{IDS['delta']}, gamma"
    assert plan.lost == [
        f"credential aster version 1 of alpha is lent to {borrowers}, and cannot go",
        f"account alpha lends to {borrowers}, and cannot be deleted",
    ]
    assert lines(plan) == ["alpha - credential backpack version 1"]


def test_an_account_that_lends_to_one_whose_share_goes_too_is_deleted() -> None:
    beta = account("beta", [], [created("beta"), LENT.added()])
    alpha = account("alpha", [created("alpha")], [LOAN.granted()])
    plan = planned(beta, alpha)
    assert plan.lost == []
    assert lines(plan) == [
        "alpha - share of beta",
        "beta - credential aster version 1",
        "beta - account",
    ]
    carried_out(plan, alpha, beta)


def test_a_lent_credential_goes_where_another_of_its_exchange_stays() -> None:
    second = Credential(5, subaccount=1)
    beta = account("beta", [created("beta"), LENT.added()], [second.added()])
    shares = {"1": (str(IDS["alpha"]), beta.account_id, ASTER)}
    plan = planned(beta, shares=shares)
    assert plan.lost == []
    assert [step.event for step in plan.steps] == [second.removed()]


def test_an_account_that_the_tables_lack_is_deleted_all_the_same() -> None:
    plan = planned(account("alpha", [], [created("alpha")]), names={})
    assert types(plan) == ["AccountDeleted"]


# Positions


def test_positions_that_stayed_linked_to_a_deleted_account_are_told_by_events_both_ways() -> None:
    """The bot's table is not ours: a position may be linked to an account that is gone."""
    restored = AccountRestored(account_name="alpha", is_active=True, created_at=FIRST_DAY)
    life: list[EventModel] = [created("alpha"), LINKED]
    came = account("alpha", [*life, deleted("alpha")], [restored])
    assert types(planned(came)) == ["PositionsUnlinked", "AccountDeleted"]
    went = account("alpha", life, [deleted("alpha")])
    assert types(planned(went)) == ["AccountRestored", "PositionsLinked"]


def test_positions_that_are_gone_or_belong_to_others_are_lost() -> None:
    gone, taken, free = (uuid.UUID(int=n) for n in (1, 2, 3))
    alpha = account(
        "alpha",
        [created("alpha"), PositionsLinked(positions=[gone, taken, free])],
        [PositionsUnlinked(positions=[gone, taken, free])],
    )
    for names, holder in (({}, str(IDS["beta"])), ({str(IDS["beta"]): "beta"}, "beta")):
        plan = planned(
            alpha,
            owners={str(taken): str(IDS["beta"]), str(free): None},
            names={alpha.account_id: "alpha", **names},
        )
        assert plan.lost == [
            f"position {gone} of alpha is gone",
            f"position {taken} of alpha belongs to {holder} now",
        ]
        assert [step.event for step in plan.steps] == [PositionsLinked(positions=[free])]


def test_a_position_that_is_anothers_by_now_goes_without_taking_it_from_him() -> None:
    gamma = account("gamma", [created("gamma"), LINKED], [UNLINKED])
    alpha = account("alpha", [created("alpha")], [LINKED])
    plan = planned(alpha, gamma, owners={str(POSITION): str(IDS["delta"])})
    assert [step.event for step in plan.steps] == [UNLINKED]
    assert plan.lost == [f"position {POSITION} of gamma belongs to {IDS['delta']} now"]


def test_a_position_that_the_bot_itself_linked_again_is_linked_by_an_event_too() -> None:
    alpha = account("alpha", [created("alpha"), LINKED], [UNLINKED])
    plan = planned(alpha, owners={str(POSITION): alpha.account_id})
    assert (plan.lost, [step.event for step in plan.steps]) == ([], [LINKED])


# Shares


def borrower(*since: EventModel, name: str = "alpha") -> Histories:
    """An account that borrowed from beta, and does not now."""
    return account(name, [created(name), LOAN.granted()], [*since, LOAN.revoked()])


def elsewhere(alpha: Histories, **other: str) -> dict[str, str]:
    """The names where beta exists and is not rolled back."""
    return {alpha.account_id: "alpha", str(IDS["beta"]): "beta", **other}


def test_a_share_comes_back_if_its_lender_can_lend() -> None:
    alpha = borrower()
    lenders = frozenset({(str(IDS["beta"]), ASTER)})
    plan = planned(alpha, names=elsewhere(alpha), lenders=lenders)
    assert (plan.lost, lines(plan)) == ([], ["alpha + share of beta"])


@pytest.mark.parametrize(
    "lenders", [frozenset(), {(str(IDS["beta"]), 3)}, {(str(IDS["gamma"]), ASTER)}]
)
def test_a_share_of_a_lender_that_has_nothing_to_lend_now_is_lost(
    lenders: frozenset[tuple[str, int]],
) -> None:
    alpha = borrower()
    plan = planned(alpha, names=elsewhere(alpha), lenders=lenders)
    assert plan == Plan(lost=["a share of alpha cannot come back: beta has nothing to lend"])


def test_a_share_of_a_lender_that_is_gone_is_lost() -> None:
    alpha = borrower()
    lost = ["a share of alpha cannot come back: its lender is gone"]
    assert planned(alpha) == Plan(lost=lost)
    beta = account("beta", [], [])
    assert planned(alpha, beta) == Plan(lost=lost)


@pytest.mark.parametrize(
    "then",
    [
        [created("beta")],
        [created("beta"), Credential(6, "backpack").added()],
        [created("beta"), LENT.added(), LENT.deactivated()],
        [created("beta"), LENT.added(), AccountDeactivated()],
    ],
    ids=["no key", "another exchange's", "an inactive key", "an inactive lender"],
)
def test_a_lender_that_goes_back_too_lends_what_it_had_then(then: list[EventModel]) -> None:
    alpha, beta = borrower(), account("beta", then, [NEWS])
    plan = planned(alpha, beta, lenders=frozenset({(beta.account_id, ASTER)}))
    assert plan.lost == ["a share of alpha cannot come back: beta has nothing to lend"]
    able = account("beta", [created("beta"), LENT.added()], [LENT.removed()])
    plan = planned(alpha, able)
    assert plan.lost == []
    carried_out(plan, alpha, able)


def test_a_lender_whose_secrets_were_destroyed_has_nothing_to_lend() -> None:
    alpha = borrower()
    beta = account("beta", [created("beta"), LENT.added()], [LENT.removed()])
    plan = planned(alpha, beta, data_keys=frozenset())
    assert plan.lost == [
        "the secrets of beta for aster version 1 were destroyed",
        "a share of alpha cannot come back: beta has nothing to lend",
    ]


def test_a_share_is_not_widened_again_for_a_lender_that_has_nothing_to_lend() -> None:
    alpha = account("alpha", [created("alpha"), LOAN.granted()], [LOAN.changed("read_only")])
    plan = planned(alpha, names=elsewhere(alpha))
    assert plan.lost == ["a share of alpha cannot come back: beta has nothing to lend"]


@pytest.mark.parametrize(
    ("share", "why"),
    [
        ((IDS["beta"], IDS["gamma"], ASTER), "beta borrows from gamma itself"),
        ((IDS["beta"], IDS["delta"], ASTER), f"beta borrows from {IDS['delta']} itself"),
        ((IDS["gamma"], IDS["alpha"], ASTER), "it lends to gamma itself"),
        ((IDS["delta"], IDS["alpha"], ASTER), f"it lends to {IDS['delta']} itself"),
    ],
)
def test_a_share_that_would_make_a_chain_is_lost(
    share: tuple[uuid.UUID, uuid.UUID, int], why: str
) -> None:
    alpha = borrower()
    borrower_id, lender_id, exchange = share
    plan = planned(
        alpha,
        names=elsewhere(alpha, **{str(IDS["gamma"]): "gamma"}),
        lenders=frozenset({(str(IDS["beta"]), ASTER)}),
        shares={
            "0": (str(IDS["beta"]), str(IDS["gamma"]), EXCHANGES["backpack"]),
            "1": (str(borrower_id), str(lender_id), exchange),
        },
    )
    assert plan == Plan(lost=[f"a share of alpha cannot come back: {why}"])


def test_that_the_lender_lends_to_others_too_is_no_chain() -> None:
    alpha = borrower()
    plan = planned(
        alpha,
        names=elsewhere(alpha),
        lenders=frozenset({(str(IDS["beta"]), ASTER)}),
        shares={"1": (str(IDS["gamma"]), str(IDS["beta"]), ASTER)},
    )
    assert plan.lost == []


def test_a_share_that_comes_back_first_can_make_a_chain_of_the_next_one() -> None:
    """At the position to go back to they cannot both have been, but for one made by hand."""
    alpha = borrower()
    onward = Loan(IDS["alpha"], "alpha", number=0x52)
    gamma = account("gamma", [created("gamma"), onward.granted()], [onward.revoked()])
    lenders = frozenset({(str(IDS["beta"]), ASTER)})
    names = elsewhere(alpha, **{gamma.account_id: "gamma"})
    own = account("alpha", [created("alpha"), KEY.added(), LOAN.granted()], [LOAN.revoked()])
    plan = planned(own, gamma, names=names, lenders=lenders)
    assert lines(plan) == ["alpha + share of beta"]
    assert plan.lost == ["a share of gamma cannot come back: alpha borrows from beta itself"]


def test_a_share_that_is_as_it_was_hides_no_other_one() -> None:
    stays, ends = Loan(IDS["gamma"], "gamma", number=1), Loan(IDS["beta"], "beta", "backpack", 2)
    alpha = account("alpha", [created("alpha"), stays.granted(), ends.granted()], [ends.revoked()])
    assert planned(alpha).lost == ["a share of alpha cannot come back: its lender is gone"]


def test_a_share_of_a_lender_of_which_the_tables_know_nothing_ends_all_the_same() -> None:
    alpha = account("alpha", [created("alpha")], [LOAN.granted()])
    plan = planned(alpha, shares={})
    assert lines(plan) == [f"alpha - share of {IDS['beta']}"]
    (step,) = plan.steps
    assert step.event == Loan(IDS["beta"], str(IDS["beta"])).revoked()


# Access


def test_access_that_is_as_it_was_hides_no_other_one() -> None:
    other = Access("other", 2)
    life = [created("alpha"), ROLE.granted(), other.granted()]
    plan = planned(account("alpha", life, [other.revoked()]))
    assert [step.event for step in plan.steps] == [other.granted()]


def test_access_of_a_role_that_is_gone_is_lost() -> None:
    other = Access("other", 2)
    alpha = account(
        "alpha",
        [created("alpha"), ROLE.granted(), other.granted()],
        [ROLE.revoked(), other.revoked()],
    )
    plan = planned(alpha, roles=frozenset({"other"}))
    assert plan.lost == [
        "access of role bot_role to alpha cannot come back: there is no such login role"
    ]
    assert [step.event for step in plan.steps] == [other.granted()]


def test_a_rollback_of_one_account_leaves_the_others_as_they_are() -> None:
    alpha = account("alpha", [created("alpha")], [NEWS])
    beta = account("beta", [created("beta")], [NEWS])
    done = carried_out(planned(alpha, names=elsewhere(alpha)), alpha, beta)
    assert contents(done["alpha"]) == contents(alpha.then)
    assert contents(done["beta"]) == contents(beta.now)
