"""The rules about credentials, as pure functions of a state."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from support.states import ACCOUNT_ID, OpenSealer, after, grown
from support.stories import Credential, created

from registry.encryption.sealing import Place
from registry.encryption.secret import Secret
from registry.errors import (
    AccountInactive,
    AccountNotFound,
    Conflict,
    CredentialExists,
    CredentialInactive,
    CredentialNotFound,
    InvalidInput,
)
from registry.events.accounts import AccountCreated, AccountDeactivated, AccountDeleted
from registry.events.base import EventModel
from registry.events.credentials import CredentialAdded, CredentialReplaced, CredentialUpdated
from registry.hints import commands_of
from registry.rules import credentials as rules
from registry.rules.account_state import AccountState, Slot, SlotQuery

FIELDS = {"api_key": Secret("k1"), "secret_key": Secret("s1")}
OTHERS = {"api_key": Secret("k2"), "secret_key": Secret("s2")}
ASTER = Slot(2, "aster", None, "full")
THE_ASTER = SlotQuery(2, "aster")


def slot(subaccount: int | None = None, permission: str = "full") -> Slot:
    return Slot(2, "aster", subaccount, permission)


def with_credential(*slots: Slot, sealer: OpenSealer | None = None) -> AccountState:
    """An active account with a credential in each of the slots."""
    state = after(AccountCreated(account_name="bot"))
    for number, one in enumerate(slots or (ASTER,), start=1):
        grown(
            state,
            *rules.add(
                state, one, FIELDS, {}, sealer=sealer or OpenSealer(), new_id=uuid.UUID(int=number)
            ),
        )
    return state


def replaced(state: AccountState, wanted: SlotQuery = THE_ASTER, **given: Any) -> list[Any]:
    return rules.replace(state, wanted, OTHERS, given, sealer=OpenSealer())


def added(state: AccountState, where: Slot, **options: Any) -> list[Any]:
    return rules.add(
        state, where, FIELDS, {}, sealer=OpenSealer(), new_id=uuid.UUID(int=77), **options
    )


def test_a_new_credential_is_version_1_and_sealed_in_its_place() -> None:
    sealer = OpenSealer()
    state = with_credential(slot(3, "read_only"), sealer=sealer)
    assert sealer.sealed == [(uuid.UUID(int=1), 1, Place(ACCOUNT_ID, 2, 3, "read_only"))]
    (row,) = state.credentials()
    assert (row["version"], row["subaccount_index"], row["permission"]) == (1, 3, "read_only")


def test_the_event_of_a_new_credential_holds_tokens_and_fingerprints_and_no_value() -> None:
    (event,) = added(after(AccountCreated(account_name="bot")), ASTER)
    assert isinstance(event, CredentialAdded)
    assert set(event.tokens) == set(event.fingerprints) == set(FIELDS)


def test_a_slot_takes_one_credential() -> None:
    """Pain 7: a second credential in a slot, without a subaccount too, must be refused."""
    with pytest.raises(CredentialExists, match="account bot has a credential for aster already"):
        added(with_credential(slot()), slot())
    with pytest.raises(CredentialExists, match="aster subaccount 3 already"):
        added(with_credential(slot(3)), slot(3))
    with pytest.raises(CredentialExists) as refused:
        added(with_credential(), ASTER)
    assert "registry.credentials.replace" in str(refused.value.hint)


def test_other_subaccounts_permissions_and_exchanges_are_other_slots() -> None:
    state = with_credential(slot(0))
    for other in (slot(1), slot(0, "read_only"), Slot(3, "backpack", 0, "full")):
        assert len(added(state, other)) == 1


def test_who_does_not_name_the_subaccount_does_not_get_a_second_credential() -> None:
    state = with_credential(slot(0))
    with pytest.raises(CredentialExists, match="aster subaccount 0 already"):
        added(state, slot(), beside_others=False)
    assert added(state, slot(), beside_others=True)
    assert added(state, slot(None, "read_only"), beside_others=False)


def test_replacing_makes_the_next_version_of_the_same_credential_sealed_in_its_place() -> None:
    state, sealer = with_credential(), OpenSealer()
    (event,) = rules.replace(state, THE_ASTER, OTHERS, {}, sealer=sealer)
    assert isinstance(event, CredentialReplaced)
    assert (event.credential_id, event.version) == (uuid.UUID(int=1), 2)
    assert sealer.sealed == [(uuid.UUID(int=1), 2, Place(ACCOUNT_ID, 2, None, "full"))]


def test_details_that_are_given_with_secrets_are_told_with_them() -> None:
    state = after(AccountCreated(account_name="bot"))
    (event,) = rules.add(
        state, ASTER, FIELDS, DETAILS, sealer=OpenSealer(), new_id=uuid.UUID(int=1)
    )
    grown(state, event)
    (row,) = state.credentials()
    assert (row["label"], row["exchange_account_id"]) == ("main", "acct-7")
    (event,) = replaced(state, **{**DETAILS, "label": "other"})
    assert (event.label, "exchange_account_id" in event.to_json()) == ("other", False)


def test_the_end_of_the_old_secrets_is_not_that_of_the_new_ones() -> None:
    state = with_credential()
    grown(state, *rules.update(state, THE_ASTER, DETAILS))
    (event,) = replaced(state)
    assert '"expires_at":null' in event.to_json()
    (kept,) = replaced(state, expires_at=DETAILS["expires_at"])
    assert "expires_at" not in kept.to_json()


def test_replacing_with_the_same_values_changes_nothing() -> None:
    state = with_credential()
    assert rules.replace(state, THE_ASTER, FIELDS, {}, sealer=OpenSealer()) == []


def test_replacing_with_the_same_values_and_another_label_changes_the_label_only() -> None:
    state = with_credential()
    (event,) = rules.replace(state, THE_ASTER, FIELDS, {"label": "x"}, sealer=OpenSealer())
    assert isinstance(event, CredentialUpdated)


def test_versions_of_a_slot_go_on_after_its_credential_was_removed() -> None:
    state = with_credential()
    grown(state, *replaced(state))
    grown(state, *rules.remove(state, THE_ASTER))
    assert list(state.credentials()) == []
    (event,) = added(state, ASTER)
    assert (event.version, event.credential_id) == (3, uuid.UUID(int=77))


def test_a_credential_stops_and_goes_on() -> None:
    state = with_credential()
    grown(state, *rules.deactivate(state, THE_ASTER))
    with pytest.raises(
        CredentialInactive, match="the credential of bot for aster is inactive"
    ) as e:
        replaced(state)
    assert 'credentials.reactivate("bot", "aster")' in (e.value.hint or "")
    with pytest.raises(CredentialInactive):
        rules.deactivate(state, THE_ASTER)
    grown(state, *rules.reactivate(state, THE_ASTER))
    assert replaced(state)
    with pytest.raises(Conflict, match="is active already"):
        rules.reactivate(state, THE_ASTER)


DETAILS: dict[str, Any] = {
    "label": "main",
    "expires_at": "2030-01-31T12:00:00+02:00",
    "ip_allow_list": ["203.0.113.7/32"],
    "exchange_account_id": "acct-7",
}


def test_an_update_holds_only_the_details_that_differ() -> None:
    state = with_credential()
    (event,) = rules.update(state, THE_ASTER, DETAILS)
    grown(state, event)
    (row,) = state.credentials()
    assert row["expires_at"] == "2030-01-31 10:00:00"
    assert row["ip_allow_list"] == ["203.0.113.7"]
    assert rules.update(state, THE_ASTER, DETAILS) == []
    (event,) = rules.update(state, THE_ASTER, {**DETAILS, "label": None})
    assert isinstance(event, CredentialUpdated)
    assert event.model_fields_set - {*CredentialUpdated.model_fields} == set()
    assert '"label":null' in event.to_json()
    assert "expires_at" not in event.to_json()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "nothing to change was named"),
        ({"label": " "}, "a label cannot be blank"),
        ({"label": "x" * 256}, "255 characters"),
        ({"expires_at": "soon"}, "the expiry 'soon' is not a moment"),
        ({"ip_allow_list": ["here"]}, "'here' is not an IP address"),
        ({"exchange_account_id": ""}, "the account id at the exchange cannot be blank"),
        ({"color": "red"}, "there is no detail 'color'"),
    ],
)
def test_a_detail_that_is_not_acceptable_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        rules.update(with_credential(), THE_ASTER, given)


def test_an_update_that_names_nothing_says_what_could_be_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        rules.update(with_credential(), THE_ASTER, {})
    assert "--label, --expires-at, --ip, --exchange-account" in commands_of(
        refused.value.hint or ""
    )


def test_what_takes_power_away_is_possible_on_an_inactive_account_and_nothing_else_is() -> None:
    state = grown(with_credential(), AccountDeactivated())
    assert rules.deactivate(state, THE_ASTER)
    assert rules.remove(state, THE_ASTER)
    for decide in (
        lambda: added(state, slot(5)),
        lambda: replaced(state),
        lambda: rules.update(state, THE_ASTER, {"label": "x"}),
        lambda: rules.reactivate(state, THE_ASTER),
    ):
        with pytest.raises(AccountInactive, match="account bot is inactive"):
            decide()


@pytest.mark.parametrize(
    "decide",
    [
        lambda s: added(s, slot()),
        replaced,
        lambda s: rules.update(s, THE_ASTER, {"label": "x"}),
        lambda s: rules.deactivate(s, THE_ASTER),
        lambda s: rules.reactivate(s, THE_ASTER),
        lambda s: rules.remove(s, THE_ASTER),
    ],
    ids=["add", "replace", "update", "deactivate", "reactivate", "remove"],
)
def test_nothing_is_decided_about_an_account_that_is_not_there(
    decide: Callable[[Any], Any],
) -> None:
    state = after(AccountCreated(account_name="bot"), AccountDeleted(account_name="bot"))
    with pytest.raises(AccountNotFound):
        decide(state)


def test_an_empty_slot_says_what_the_account_has() -> None:
    state = with_credential(slot(3))
    with pytest.raises(CredentialNotFound, match="no credential for aster subaccount 4") as missing:
        rules.remove(state, SlotQuery(2, "aster", 4))
    assert missing.value.hint == "It has: aster subaccount 3."
    with pytest.raises(CredentialNotFound, match="no credential for backpack") as missing:
        rules.remove(state, SlotQuery(3, "backpack"))
    assert 'credentials.add("bot", "backpack")' in (missing.value.hint or "")


def test_what_is_not_said_of_a_slot_is_found_out_where_it_is_unique() -> None:
    state = with_credential(slot(3, "read_only"))
    found, _ = state.find_credential(THE_ASTER)
    assert found == slot(3, "read_only")


def test_where_several_slots_fit_they_are_listed() -> None:
    state = with_credential(slot(0), slot(1), slot(1, "read_only"))
    with pytest.raises(InvalidInput, match="aster subaccount 0, aster subaccount 1, aster") as many:
        state.find_credential(THE_ASTER)
    assert many.value.hint == "Say which with subaccount=… and permission=…."
    with pytest.raises(InvalidInput):
        state.find_credential(SlotQuery(2, "aster", 1))
    assert state.find_credential(SlotQuery(2, "aster", 1, "full"))[0] == slot(1)
    assert state.find_credential(SlotQuery(2, "aster", None, "read_only"))[0].subaccount_index == 1


def test_a_slot_without_a_subaccount_can_be_named_beside_numbered_ones() -> None:
    state = with_credential(slot(), slot(0))
    assert state.find_credential(THE_ASTER)[0] == slot()
    assert state.find_credential(SlotQuery(2, "aster", 0))[0] == slot(0)


def test_a_slot_is_told_as_people_name_it() -> None:
    assert [str(slot()), str(slot(0)), str(slot(2, "read_only"))] == [
        "aster",
        "aster subaccount 0",
        "aster subaccount 2 (read_only)",
    ]
    assert str(SlotQuery(2, "aster", 1)) == "aster subaccount 1"


KEY = Credential(1)


def digests(version: int) -> dict[str, str]:
    return {"api_key": f"1.{version}", "secret_key": f"1.{version}"}


@pytest.mark.parametrize(
    ("since", "version", "notes"),
    [
        ([], 2, []),
        ([KEY.replaced(2)], 3, []),
        ([KEY.replaced(2)], 1, ["aster gets back the api_key and secret_key of its version 1"]),
        ([KEY.replaced(2)], 2, []),
        ([KEY.replaced(2), KEY.replaced(3)], 2, ["aster gets back the api_key and secret_key"]),
        ([KEY.removed()], 1, ["aster gets back the api_key and secret_key of its version 1"]),
    ],
    ids=["new", "newer", "first", "same", "second", "after removal"],
)
def test_a_former_key_that_returns_is_told_by_its_version(
    since: list[EventModel], version: int, notes: list[str]
) -> None:
    state = after(created(), KEY.added(), *since)
    found = rules.came_back(state, Slot(2, "aster", None, "full"), digests(version))
    assert [note[: len(told)] for note, told in zip(found, notes, strict=True)] == notes
