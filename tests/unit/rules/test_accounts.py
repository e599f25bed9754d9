"""The rules about accounts, as pure functions of a state."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from support.states import after

from registry.errors import AccountInactive, AccountInUse, AccountNotFound, Conflict, InvalidInput
from registry.events.accounts import (
    AccountCreated,
    AccountDeactivated,
    AccountDeleted,
    AccountReactivated,
    AccountRenamed,
    AccountUpdated,
)
from registry.events.credentials import CredentialAdded, CredentialRemoved
from registry.events.positions import PositionsUnlinked
from registry.hints import commands_of
from registry.rules import accounts as rules
from registry.rules.account_state import AccountState
from registry.rules.accounts import AccountUse, CreateAccount, UpdateAccount
from registry.rules.positions import PER_EVENT

POSITION = uuid.UUID(int=1)
CREATED = AccountCreated(account_name="bot", description="first", metadata={"max_positions": 5})
UNTOUCHED = UpdateAccount(description="other")


def credential(number: int) -> CredentialAdded:
    return CredentialAdded(
        credential_id=uuid.UUID(int=number),
        exchange="aster",
        exchange_id=2,
        subaccount_index=number,
        permission="full",
        version=1,
        data_key_id=uuid.UUID(int=100 + number),
        tokens={"api_key": "t"},
        fingerprints={"api_key": "f"},
    )


def test_a_new_account_has_what_was_said_and_nothing_else() -> None:
    assert rules.create(CreateAccount(account_name="bot")) == [AccountCreated(account_name="bot")]
    (event,) = rules.create(
        CreateAccount(account_name="b", wallet_address="0xA", description="d", metadata={"a": 1})
    )
    assert event.to_json() == (
        '{"account_name":"b","wallet_address":"0xA","description":"d","metadata":{"a":1}}'
    )


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (CreateAccount(account_name=" bot"), "an account name cannot start or end"),
        (CreateAccount(account_name="b", wallet_address="your_wallet_here"), "a placeholder"),
        (CreateAccount(account_name="b", description=" "), "a description cannot be blank"),
        (CreateAccount(account_name="b", description="x" * 10_001), "has 10000 characters at most"),
        (CreateAccount(account_name="b", metadata={"max_positions": -1}), "max_positions must be"),
    ],
)
def test_a_new_account_with_a_bad_value_is_refused(command: CreateAccount, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        rules.create(command)
    assert rules.create(CreateAccount(account_name="b", description="x" * 10_000))


def test_an_update_holds_only_what_differs() -> None:
    state = after(CREATED)
    assert rules.update(
        state, UpdateAccount(description="second", metadata={"max_positions": 5})
    ) == [AccountUpdated(description="second")]
    assert rules.update(state, UpdateAccount(description="first")) == []


def test_a_detail_is_cleared_by_none_and_the_metadata_by_an_empty_object() -> None:
    state = after(CREATED)
    (event,) = rules.update(state, UpdateAccount(description=None, metadata={}))
    assert event.to_json() == '{"description":null,"metadata":{}}'
    assert rules.update(state, UpdateAccount(wallet_address=None)) == []
    assert rules.update(state, UpdateAccount(wallet_address="0xA")) == [
        AccountUpdated(wallet_address="0xA")
    ]


def test_an_update_that_names_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nothing to change was named") as refused:
        rules.update(after(CREATED), UpdateAccount())
    assert "--wallet-address, --description, --metadata, --set, --unset." in commands_of(
        refused.value.hint or ""
    )


def test_a_rename_keeps_the_former_name_in_the_event() -> None:
    assert rules.rename(after(CREATED), "other") == [
        AccountRenamed(account_name="other", previous_name="bot")
    ]
    assert rules.rename(after(CREATED), "bot") == []
    with pytest.raises(InvalidInput):
        rules.rename(after(CREATED), "other\n")


def test_an_account_stops_and_goes_on() -> None:
    assert rules.deactivate(after(CREATED)) == [AccountDeactivated()]
    assert rules.reactivate(after(CREATED, AccountDeactivated())) == [AccountReactivated()]
    with pytest.raises(Conflict, match="account bot is active already"):
        rules.reactivate(after(CREATED))


@pytest.mark.parametrize(
    "decide",
    [lambda s: rules.update(s, UNTOUCHED), lambda s: rules.rename(s, "other"), rules.deactivate],
    ids=["update", "rename", "deactivate"],
)
def test_an_inactive_account_is_named_with_the_way_out(decide: Callable[[Any], Any]) -> None:
    with pytest.raises(AccountInactive, match="account bot is inactive") as inactive:
        decide(after(CREATED, AccountDeactivated()))
    assert inactive.value.hint == 'Reactivate it first: registry.accounts.reactivate("bot")'


@pytest.mark.parametrize(
    "state",
    [AccountState(), after(CREATED, AccountDeleted(account_name="bot"))],
    ids=["never created", "deleted"],
)
@pytest.mark.parametrize(
    "decide",
    [
        lambda s: rules.update(s, UNTOUCHED),
        lambda s: rules.rename(s, "other"),
        rules.deactivate,
        rules.reactivate,
        lambda s: rules.delete(s, AccountUse(), cascade=False),
    ],
    ids=["update", "rename", "deactivate", "reactivate", "delete"],
)
def test_nothing_is_decided_about_an_account_that_is_not_there(
    state: AccountState, decide: Callable[[Any], Any]
) -> None:
    assert not state.exists
    with pytest.raises(AccountNotFound):
        decide(state)


def test_deleting_removes_the_credentials_first_each_by_an_event() -> None:
    events = rules.delete(after(CREATED, credential(1), credential(2)), AccountUse(), cascade=False)
    assert [type(event) for event in events] == [
        CredentialRemoved,
        CredentialRemoved,
        AccountDeleted,
    ]


def test_closed_positions_lose_their_owner_before_the_account_goes_where_that_is_meant() -> None:
    many = tuple(uuid.UUID(int=number) for number in range(1, PER_EVENT + 2))
    state = after(CREATED, credential(1))
    events = rules.delete(state, AccountUse(closed_positions=many), cascade=True)
    assert [type(event) for event in events] == [
        PositionsUnlinked,
        PositionsUnlinked,
        CredentialRemoved,
        AccountDeleted,
    ]
    assert events[:2] == [
        PositionsUnlinked(positions=list(many[:PER_EVENT])),
        PositionsUnlinked(positions=list(many[PER_EVENT:])),
    ]
    with pytest.raises(AccountInUse, match="1 open position"):
        rules.delete(state, AccountUse(open_positions=1), cascade=True)


def test_an_inactive_account_can_be_deleted() -> None:
    assert rules.delete(after(CREATED, AccountDeactivated()), AccountUse(), cascade=False) == [
        AccountDeleted(account_name="bot")
    ]


@pytest.mark.parametrize(
    ("use", "why", "hint"),
    [
        (AccountUse(open_positions=1), "has 1 open position\n", "Close them, or stop"),
        (
            AccountUse(open_positions=2, closed_positions=(POSITION,)),
            "has 2 open positions",
            "registry.accounts.deactivate",
        ),
        (
            AccountUse(closed_positions=(POSITION,)),
            "owns 1 closed position, which would have no owner then",
            "Keep its books: registry.accounts.deactivate",
        ),
        (AccountUse(borrowers=("a", "b")), "lends to a, b", "add cascade=True"),
    ],
)
def test_an_account_in_use_is_not_deleted(use: AccountUse, why: str, hint: str) -> None:
    """Pain 10: deleting an account must not leave a position without an owner."""
    with pytest.raises(AccountInUse, match=why) as refused:
        rules.delete(after(CREATED), use, cascade=False)
    assert hint in str(refused.value.hint)
