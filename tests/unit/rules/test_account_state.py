"""The state of an account from its own events: the same as in the tables."""

import datetime as dt
import uuid
from typing import Any

import pytest
from support.states import ACCOUNT_ID, after, grown, history
from support.stories import Access, Credential, Loan, created

from registry.errors import (
    AccountInactive,
    AccountNotFound,
    CredentialNotFound,
    InvalidInput,
    SchemaTooNew,
)
from registry.events.accounts import (
    AccountDeactivated,
    AccountDeleted,
    AccountRenamed,
    AccountUpdated,
)
from registry.events.stored import StoredEvent
from registry.rules.account_state import AccountState, Slot, SlotQuery

KEY = Credential(1)
SLOT = Slot(2, "aster", None, "full")
THE_ASTER = SlotQuery(2, "aster")


def by_hand(event_type: str, data: dict[str, Any], version: int = 9) -> StoredEvent:
    """An event that no rule gave: who may append by SQL can."""
    return StoredEvent(str(ACCOUNT_ID), version, event_type, 1, "2031-01-01 00:00:00", data)


def test_a_state_grows_with_each_event_as_the_tables_do() -> None:
    state = after(
        created(description="first"),
        AccountUpdated(description="second"),
        AccountRenamed(account_name="other", previous_name="bot"),
    )
    assert (state.version, state.name) == (3, "other")
    assert state.account["id"] == str(ACCOUNT_ID)
    assert state.account["description"] == "second"
    grown(state, AccountDeleted(account_name="other"))
    assert (state.version, state.exists) == (4, False)


def test_the_state_s_times_come_from_the_events() -> None:
    state = after(created(), AccountDeactivated())
    first = dt.datetime.fromisoformat(state.account["created_at"])
    assert dt.datetime.fromisoformat(state.account["updated_at"]) - first == dt.timedelta(days=1)


def test_an_account_that_is_not_there_or_stopped_is_refused() -> None:
    for state in (AccountState(), after(created(), AccountDeleted(account_name="bot"))):
        assert not state.exists
        with pytest.raises(AccountNotFound):
            state.active_account()
        with pytest.raises(AccountNotFound):
            _ = state.name
    stopped = after(created(), AccountDeactivated())
    assert (stopped.exists, stopped.name) == (True, "bot")
    with pytest.raises(AccountInactive) as refused:
        stopped.active_account()
    assert refused.value.hint == 'Reactivate it first: registry.accounts.reactivate("bot")'
    assert after(created()).active_account()["account_name"] == "bot"


@pytest.mark.parametrize(
    "event",
    [
        by_hand("AccountUpdated", {}),
        by_hand("CredentialDeactivated", {"credential_id": "nobody's"}),
        by_hand("CredentialAdded", {"credential_id": str(uuid.UUID(int=7))}),
        by_hand("CredentialReplaced", {**history(KEY.replaced())[0].data, "fingerprints": 5}),
        by_hand("PositionsLinked", {"positions": "x"}),
        by_hand("AccountCreated", {"account_name": "again"}),
        by_hand("Unheard", {}),
    ],
    ids=lambda event: event.event_type,
)
def test_an_event_that_fits_nothing_changes_nothing_and_counts(event: StoredEvent) -> None:
    state = after(created())
    if event.event_type == "AccountUpdated":
        state = AccountState()
    before = AccountState.of([])
    before.rows = {table: dict(rows) for table, rows in state.rows.items()}
    state.apply(event)
    assert {t: r for t, r in state.rows.items() if r} == {t: r for t, r in before.rows.items() if r}
    assert state.version == 9


def test_a_malformed_version_of_a_credential_leaves_no_trace() -> None:
    """All of it is read before anything is changed."""
    state = after(created(), KEY.added())
    data = history(KEY.replaced())[0].data
    del data["tokens"]
    state.apply(by_hand("CredentialReplaced", data))
    assert state.last_version(SLOT) == 1
    assert state.fingerprints(next(state.credentials()))["api_key"] == "1.1"


def test_an_event_of_a_newer_program_is_not_passed_over() -> None:
    event = by_hand("AccountUpdated", {"description": "x"})._replace(schema_version=99)
    with pytest.raises(SchemaTooNew):
        after(created()).apply(event)


@pytest.mark.parametrize(
    "something",
    [KEY.added(), Loan(uuid.UUID(int=0xB)).granted(), Access().granted()],
    ids=lambda event: event.event_type,
)
def test_an_account_that_still_has_something_is_not_deleted_by_an_event(something: Any) -> None:
    state = after(created(), something, AccountDeleted(account_name="bot"))
    assert state.exists
    assert state.version == 3


def test_values_that_the_tables_cannot_hold_count_unless_they_are_looked_at() -> None:
    events = [*history(created()), by_hand("AccountUpdated", {"description": 5}, 2)]
    assert dict(AccountState.of(events).account)["description"] == 5
    checked = AccountState.of(events, checked=True)
    assert (checked.account["description"], checked.version) == (None, 2)
    fitting = history(created(), AccountUpdated(description="x"))
    assert AccountState.of(fitting, checked=True).account["description"] == "x"


# Slots


def test_a_slot_counts_the_highest_version_that_it_ever_held() -> None:
    state = after(created(), KEY.added(), KEY.replaced(2), KEY.replaced(1))
    assert state.last_version(SLOT) == 2
    assert next(state.credentials())["version"] == 1
    grown(state, KEY.removed())
    assert state.last_version(SLOT) == 2
    assert state.last_version(Slot(2, "aster", 0, "full")) == 0


def test_a_credential_is_found_by_its_whole_slot() -> None:
    state = after(created(), KEY.added(), Credential(2, subaccount=3).added())
    found = state.credential_in(Slot(2, "aster", 3, "full"))
    assert found is not None
    assert found["id"] == str(uuid.UUID(int=2))
    for other in (Slot(3, "aster", 3, "full"), Slot(2, "aster", 3, "read_only")):
        assert state.credential_in(other) is None


def test_an_empty_slot_says_what_the_account_has() -> None:
    state = after(created(), Credential(2, subaccount=3).added(), Credential(3, "backpack").added())
    with pytest.raises(CredentialNotFound) as missing:
        state.find_credential(SlotQuery(2, "aster", 4))
    assert missing.value.message == "account bot has no credential for aster subaccount 4"
    assert missing.value.hint == "It has: aster subaccount 3."
    with pytest.raises(CredentialNotFound, match="no credential for lighter") as missing:
        state.find_credential(SlotQuery(1, "lighter"))
    assert missing.value.hint == 'Add one with: registry.credentials.add("bot", "lighter")'


def test_where_several_slots_fit_they_are_listed() -> None:
    state = after(
        created(), Credential(1, subaccount=0).added(), Credential(2, subaccount=1).added()
    )
    with pytest.raises(InvalidInput) as several:
        state.find_credential(THE_ASTER)
    assert several.value.message == (
        "account bot has several credentials for aster: aster subaccount 0, aster subaccount 1"
    )
    assert several.value.hint == "Say which with subaccount=… and permission=…."
    assert state.find_credential(SlotQuery(2, "aster", 1))[0].subaccount_index == 1


def test_two_slots_without_a_subaccount_are_told_apart_by_the_permission() -> None:
    state = after(created(), KEY.added(), Credential(2, permission="read_only").added())
    with pytest.raises(InvalidInput, match=r"aster, aster \(read_only\)"):
        state.find_credential(THE_ASTER)
    assert state.find_credential(SlotQuery(2, "aster", None, "read_only"))[0].permission != "full"
