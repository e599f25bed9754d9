"""The rules about access: the login roles that may use an account."""

import uuid

import pytest
from support.states import after
from support.stories import Access, created

from registry.errors import AccessNotFound, AccountInactive, AccountNotFound
from registry.events.accounts import AccountDeactivated, AccountDeleted
from registry.rules import access as rules
from registry.rules.account_state import AccountState

ANN, BEN = Access("ann", 1), Access("ben", 2)
NEW_ID = uuid.UUID(int=99)


def test_a_role_gets_access_to_an_account() -> None:
    (event,) = rules.grant(after(created(), BEN.granted()), "ann", NEW_ID)
    assert event == Access("ann", 99).granted()


def test_a_role_that_has_access_already_gets_no_second_one() -> None:
    assert rules.grant(after(created(), ANN.granted()), "ann", NEW_ID) == []


def test_a_role_that_lost_its_access_may_get_it_again() -> None:
    state = after(created(), ANN.granted(), ANN.revoked())
    assert rules.grant(state, "ann", NEW_ID) == [Access("ann", 99).granted()]


def test_an_inactive_account_is_given_to_nobody_and_taken_from_anybody() -> None:
    state = after(created(), ANN.granted(), AccountDeactivated())
    for role in ("ann", "ben"):
        with pytest.raises(AccountInactive):
            rules.grant(state, role, NEW_ID)
    assert rules.revoke(state, "ann") == [ANN.revoked()]


def test_only_the_named_roles_access_ends() -> None:
    state = after(created(), ANN.granted(), BEN.granted())
    assert rules.revoke(state, "ben") == [BEN.revoked()]


def test_who_has_no_access_cannot_lose_it_and_those_who_have_are_named() -> None:
    with pytest.raises(AccessNotFound) as none:
        rules.revoke(after(created()), "ann")
    assert none.value.message == "the role ann has no access to account bot"
    assert none.value.hint is None
    with pytest.raises(AccessNotFound) as others:
        rules.revoke(after(created(), ANN.granted(), BEN.granted()), "cid")
    assert others.value.hint == "Those who have: ann, ben."


@pytest.mark.parametrize(
    "state",
    [AccountState(), after(created(), AccountDeleted(account_name="bot"))],
    ids=["never created", "deleted"],
)
def test_nothing_is_decided_about_an_account_that_is_not_there(state: AccountState) -> None:
    with pytest.raises(AccountNotFound):
        rules.grant(state, "ann", NEW_ID)
    with pytest.raises(AccountNotFound):
        rules.revoke(state, "ann")


def test_an_account_that_goes_is_taken_from_all_roles() -> None:
    assert rules.access_revocations(after(created())) == []
    state = after(created(), ANN.granted(), BEN.granted(), ANN.revoked())
    assert rules.access_revocations(state) == [BEN.revoked()]
