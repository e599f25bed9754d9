"""The rules about positions: their owners, and the accounts that may take them over."""

import uuid

import pytest
from support.states import ACCOUNT_ID, after
from support.stories import created

from registry.errors import AccountInactive, AccountNotFound, PositionsOwned
from registry.events.accounts import AccountDeactivated
from registry.events.positions import PositionsLinked, PositionsUnlinked
from registry.rules import positions as rules
from registry.rules.account_state import AccountState
from registry.rules.positions import PER_EVENT, Linking, Owned

OTHER, THIRD = uuid.UUID(int=0xB), uuid.UUID(int=0xC)


def position(number: int) -> uuid.UUID:
    return uuid.UUID(int=number)


def owned(number: int, by: uuid.UUID | None = None) -> Owned:
    """A position of an account, or of nobody."""
    names = {None: None, ACCOUNT_ID: "bot", OTHER: "other", THIRD: "third"}
    return Owned(position(number), by, names[by])


def test_an_account_takes_positions_that_nobody_owns() -> None:
    assert rules.link(after(created()), [owned(1), owned(2)], move=False) == Linking(
        {}, [PositionsLinked(positions=[position(1), position(2)])]
    )


def test_what_the_account_owns_already_is_not_linked_again() -> None:
    positions = [owned(1, ACCOUNT_ID), owned(2)]
    for move in (False, True):
        linking = rules.link(after(created()), positions, move=move)
        assert linking == Linking({}, [PositionsLinked(positions=[position(2)])])
    assert rules.link(after(created()), positions[:1], move=True) == Linking({}, [])


def test_positions_of_others_are_not_taken_unless_told() -> None:
    positions = [owned(1), owned(2, OTHER), owned(3, ACCOUNT_ID)]
    with pytest.raises(PositionsOwned) as refused:
        rules.link(after(created()), positions, move=False)
    assert refused.value.message == f"positions belong to another account: {position(2)} of other"
    assert refused.value.hint == "Add move=True to take them over."


def test_those_who_owned_what_is_taken_over_give_it_up_first() -> None:
    positions = [owned(1, OTHER), owned(2), owned(3, THIRD), owned(4, OTHER)]
    linking = rules.link(after(created()), positions, move=True)
    assert linking.unlinked == {
        OTHER: [PositionsUnlinked(positions=[position(1), position(4)])],
        THIRD: [PositionsUnlinked(positions=[position(3)])],
    }
    assert linking.linked == [PositionsLinked(positions=[position(n) for n in (1, 2, 3, 4)])]


@pytest.mark.parametrize(
    ("number", "named", "more"), [(1, 1, ""), (3, 3, ""), (4, 3, " and 1 more")]
)
def test_of_many_positions_of_others_three_are_named_and_the_rest_is_counted(
    number: int, named: int, more: str
) -> None:
    with pytest.raises(PositionsOwned) as refused:
        rules.unlink(after(created()), [owned(n, OTHER) for n in range(number)])
    ids = ", ".join(f"{position(n)} of other" for n in range(named))
    assert refused.value.message == f"positions belong to another account: {ids}{more}"


def test_an_account_gives_up_its_own_positions_and_nobodys_stay_as_they_are() -> None:
    positions = [owned(1, ACCOUNT_ID), owned(2), owned(3, ACCOUNT_ID)]
    assert rules.unlink(after(created()), positions) == [
        PositionsUnlinked(positions=[position(1), position(3)])
    ]
    assert rules.unlink(after(created()), [owned(2)]) == []


def test_positions_of_others_cannot_be_given_up() -> None:
    with pytest.raises(PositionsOwned, match="of third"):
        rules.unlink(after(created()), [owned(1, ACCOUNT_ID), owned(2, THIRD)])


def test_an_inactive_account_gives_up_positions_and_takes_none() -> None:
    state = after(created(), AccountDeactivated())
    with pytest.raises(AccountInactive):
        rules.link(state, [owned(1)], move=True)
    assert rules.unlink(state, [owned(1, ACCOUNT_ID)])


def test_nothing_is_decided_about_an_account_that_is_not_there() -> None:
    with pytest.raises(AccountNotFound):
        rules.link(AccountState(), [owned(1)], move=True)
    with pytest.raises(AccountNotFound):
        rules.unlink(AccountState(), [])


def test_many_positions_are_told_by_several_events_in_their_order() -> None:
    many = [owned(number) for number in range(2 * PER_EVENT + 1)]
    linked = rules.link(after(created()), many, move=False).linked
    assert [len(event.positions) for event in linked] == [PER_EVENT, PER_EVENT, 1]
    assert [one for event in linked for one in event.positions] == [one.id for one in many]
    assert rules.parts([one.id for one in many[:PER_EVENT]]) == [
        [one.id for one in many[:PER_EVENT]]
    ]
    assert rules.parts([]) == []
