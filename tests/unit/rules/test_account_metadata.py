"""An account's metadata, changed as a whole or one key at a time."""

from typing import Any

import pytest
from support.states import after

from registry.errors import InvalidInput, NotFound
from registry.events.accounts import AccountCreated, AccountUpdated
from registry.rules import accounts as rules
from registry.rules.accounts import UpdateAccount
from registry.rules.metadata import KeyChanges, dropped

CREATED = AccountCreated(
    account_name="bot", metadata={"max_positions": 3, "max_positon": 4, "allowed_exchanges": "all"}
)


def updated(*, as_is: bool = False, **keys: Any) -> dict[str, Any]:
    command = UpdateAccount(KeyChanges(**keys), as_is=as_is)
    (event,) = rules.update(after(CREATED), command)
    assert isinstance(event, AccountUpdated)
    return event.metadata


def test_a_key_changes_and_the_others_stay_even_those_that_would_be_refused_today() -> None:
    assert updated(set={"max_positions": 5, "note": "x"}, unset=["max_positon"]) == {
        "max_positions": 5,
        "allowed_exchanges": "all",
        "note": "x",
    }


def test_what_the_log_holds_is_refused_where_it_is_set_anew() -> None:
    with pytest.raises(InvalidInput, match="'max_positon' is no limit"):
        updated(set={"max_positon": 5})
    with pytest.raises(InvalidInput, match="allowed_exchanges must be a list"):
        updated(set={"allowed_exchanges": "every"})
    with pytest.raises(InvalidInput, match="max_positions must be a whole number"):
        updated(set={"max_positions": 3.0, "note": "x"})
    assert updated(as_is=True, set={"max_positon": 5})["max_positon"] == 5


def test_a_replacement_is_refused_for_what_is_new_in_it_only() -> None:
    again = {"max_positon": 4, "note": "x"}
    assert rules.update(after(CREATED), UpdateAccount(metadata=again)) == [
        AccountUpdated(metadata=again)
    ]
    with pytest.raises(InvalidInput, match="'max_position' is no limit"):
        rules.update(after(CREATED), UpdateAccount(metadata={"max_position": 4}))


def test_changes_that_contradict_each_other_are_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="max_positions cannot be set and unset at once"):
        updated(set={"max_positions": 1}, unset=["max_positions"])
    for whole in ({"max_positions": 1}, None):
        command = UpdateAccount(KeyChanges(set={"note": "x"}), metadata=whole)
        with pytest.raises(InvalidInput, match="not both at once"):
            rules.update(after(CREATED), command)


def test_a_key_that_is_not_there_cannot_be_unset() -> None:
    with pytest.raises(NotFound, match="the metadata has no key nothing") as refusal:
        updated(unset=["nothing"])
    assert "max_positions, max_positon, allowed_exchanges" in (refusal.value.hint or "")


def test_a_private_key_is_refused_as_a_value() -> None:
    with pytest.raises(InvalidInput, match="metadata"):
        updated(set={"wallet": "0x" + "5e" * 32})


def test_a_value_as_it_is_changes_nothing() -> None:
    command = UpdateAccount(KeyChanges(set={"max_positions": 3}))
    assert rules.update(after(CREATED), command) == []


def test_only_keys_that_go_are_said_to_be_dropped() -> None:
    (text,) = dropped({"a": 1, "b": 2, "c": 3}, {"b": 5})
    assert "a, c" in text
    assert dropped({"a": 1}, {"a": 2, "b": 1}) == []
