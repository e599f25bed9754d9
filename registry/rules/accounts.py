"""Decisions about accounts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from projections.accounts import TABLE
from registry import values
from registry.errors import AccountInUse, Conflict, InvalidInput
from registry.events.accounts import (
    AccountCreated,
    AccountDeactivated,
    AccountDeleted,
    AccountReactivated,
    AccountRenamed,
    AccountUpdated,
)
from registry.events.base import EventModel
from registry.hints import Command, Hint, Option
from registry.plurals import counted
from registry.rules.account_state import AccountState
from registry.rules.credentials import removal
from registry.rules.details import AccountDetails, changes, checked
from registry.rules.metadata import KeyChanges, check_new
from registry.shapes import refuse_key


class UpdateAccount:
    """Change details; None clears one."""

    def __init__(
        self,
        keys: KeyChanges | None = None,
        *,
        as_is: bool = False,
        **details: Unpack[AccountDetails],
    ) -> None:
        """Takes keys of the metadata too, or (`as_is`) some that look like a limit's."""
        self.keys = keys or KeyChanges()
        self.as_is = as_is
        self.details: Mapping[str, Any] = details


class CreateAccount(UpdateAccount):
    """Make a new account."""

    def __init__(
        self, *, account_name: str, as_is: bool = False, **details: Unpack[AccountDetails]
    ) -> None:
        super().__init__(as_is=as_is, **details)
        self.account_name = account_name


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUse:
    """What depends on an account outside its own stream."""

    open_positions: int = 0
    positions: int = 0
    borrowers: tuple[str, ...] = ()


def create(command: CreateAccount) -> list[EventModel]:
    """A new account; that its name is free is guarded by the table.

    Raises:
        InvalidInput: a value is not acceptable.
    """
    name = _name(command.account_name)
    said = {detail: value for detail, value in command.details.items() if value is not None}
    details = checked(AccountDetails, TABLE, said)
    check_new({}, details.get("metadata", {}), as_is=command.as_is)
    return [AccountCreated(account_name=name, **details)]


def update(state: AccountState, command: UpdateAccount) -> list[AccountUpdated]:
    """The details that differ from what they are.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        InvalidInput: a value is not acceptable, or the command names no detail.
        NotFound: a key of the metadata is to be unset that is not there.
    """
    account = state.active_account()
    given = dict(command.details)
    if command.keys and "metadata" in given:
        raise InvalidInput(
            "the metadata is changed as a whole or by its keys, not both at once",
            hint=Hint(Option("metadata", ...), " names all of it, ", Option("set", ...), " a key."),
        )
    if command.keys:
        given["metadata"] = command.keys.applied(account["metadata"])
    changed = changes(AccountDetails, TABLE, account, given)
    check_new(account["metadata"], changed.get("metadata", {}), as_is=command.as_is)
    return [AccountUpdated(**changed)] if changed else []


def rename(state: AccountState, new_name: str) -> list[EventModel]:
    """Another name; that it is free is guarded by the table.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        InvalidInput: the name is not acceptable.
    """
    account = state.active_account()
    if _name(new_name) == account["account_name"]:
        return []
    return [AccountRenamed(account_name=new_name, previous_name=account["account_name"])]


def deactivate(state: AccountState) -> list[EventModel]:
    """No credential of the account may be used from now on.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
    """
    state.active_account()
    return [AccountDeactivated()]


def reactivate(state: AccountState) -> list[EventModel]:
    """The account may be used again.

    Raises:
        AccountNotFound: it was never created, or was deleted.
        Conflict: it is active.
    """
    if state.account["is_active"]:
        raise Conflict(f"account {state.name} is active already")
    return [AccountReactivated()]


def delete(state: AccountState, use: AccountUse) -> list[EventModel]:
    """Removes the account's credentials, and then the account.

    Raises:
        AccountNotFound: it was never created, or was deleted.
        AccountInUse: positions are linked to it, or others borrow from it.
    """
    name = state.name
    if use.open_positions:
        raise AccountInUse(
            f"account {name} has {counted(use.open_positions, 'open position')}",
            hint=Hint("Close them, or stop the account: ", Command("deactivate-account", name)),
        )
    if use.positions:
        raise AccountInUse(
            f"account {name} owns {counted(use.positions, 'closed position')}, "
            "which would lose its owner",
            hint=Hint("Stop it, which keeps its books: ", Command("deactivate-account", name)),
        )
    if use.borrowers:
        raise AccountInUse(
            f"account {name} lends to {', '.join(use.borrowers)}",
            hint=Hint(
                "End these shares first, or add ", Option("cascade"), " to end them with it."
            ),
        )
    return [
        *(removal(state, row) for row in state.credentials()),
        AccountDeleted(account_name=name),
    ]


def _name(name: str) -> str:
    refuse_key(name, "an account name")
    return values.account_name(name)
