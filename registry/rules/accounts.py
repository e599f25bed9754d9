"""Decisions about accounts."""

import uuid
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
from registry.rules.details import AccountDetails, changes, checked
from registry.rules.metadata import KeyChanges, check_new
from registry.shapes import refuse_key


class UpdateAccount:
    """Changes details of an account; None clears a detail."""

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
    """Makes a new account."""

    def __init__(
        self, *, account_name: str, as_is: bool = False, **details: Unpack[AccountDetails]
    ) -> None:
        super().__init__(as_is=as_is, **details)
        self.account_name = account_name


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUse:
    """Uses of an account outside its own stream."""

    open_positions: int = 0
    closed_positions: tuple[uuid.UUID, ...] = ()
    borrowers: tuple[str, ...] = ()


def create(command: CreateAccount) -> list[EventModel]:
    """Creates an account; the table guards the uniqueness of its name.

    Raises:
        InvalidInput: a value is not acceptable.
    """
    name = _name(command.account_name)
    said = {detail: value for detail, value in command.details.items() if value is not None}
    details = checked(AccountDetails, TABLE, said)
    check_new({}, details.get("metadata", {}), as_is=command.as_is)
    return [AccountCreated(account_name=name, **details)]


def update(state: AccountState, command: UpdateAccount) -> list[AccountUpdated]:
    """Changes the given details that differ from the current ones.

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
    changed = changes(AccountDetails, TABLE, account, given, "set", "unset")
    check_new(account["metadata"], changed.get("metadata", {}), as_is=command.as_is)
    return [AccountUpdated(**changed)] if changed else []


def rename(state: AccountState, new_name: str) -> list[EventModel]:
    """Renames the account; the table guards the uniqueness of the name.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        InvalidInput: the name is not acceptable.
    """
    account = state.active_account()
    if _name(new_name) == account["account_name"]:
        return []
    return [AccountRenamed(account_name=new_name, previous_name=account["account_name"])]


def deactivate(state: AccountState) -> list[EventModel]:
    """Stops the account: no credential of it may be used.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
    """
    state.active_account()
    return [AccountDeactivated()]


def reactivate(state: AccountState) -> list[EventModel]:
    """Lets the account be used again.

    Raises:
        AccountNotFound: it was never created, or was deleted.
        Conflict: it is active.
    """
    if state.account["is_active"]:
        raise Conflict(f"account {state.name} is active already")
    return [AccountReactivated()]


def delete(state: AccountState, use: AccountUse, *, cascade: bool) -> list[EventModel]:
    """Removes the account's credentials, and then the account.

    With `cascade` its closed positions lose their owner; they and their history stay.

    Raises:
        AccountNotFound: it was never created, or was deleted.
        AccountInUse: positions are linked to it, or other accounts borrow from it.
    """
    name = state.name
    if use.open_positions:
        raise AccountInUse(
            f"account {name} has {counted(use.open_positions, 'open position')}",
            hint=Hint("Close them, or stop the account: ", Command("deactivate-account", name)),
        )
    if use.closed_positions and not cascade:
        owned = counted(len(use.closed_positions), "closed position")
        stop = Command("deactivate-account", name)
        raise AccountInUse(
            f"account {name} owns {owned}, which would have no owner then",
            hint=Hint("Keep its books: ", stop, "; or add ", Option("cascade"), "."),
        )
    if use.borrowers:
        raise AccountInUse(
            f"account {name} lends to {', '.join(use.borrowers)}",
            hint=Hint(
                "End these shares first, or add ", Option("cascade"), " to end them with it."
            ),
        )
    from registry.events.positions import PositionsUnlinked
    from registry.rules.credentials import removal
    from registry.rules.positions import parts

    return [
        *(PositionsUnlinked(positions=part) for part in parts(use.closed_positions)),
        *(removal(state, row) for row in state.credentials()),
        AccountDeleted(account_name=name),
    ]


def _name(name: str) -> str:
    refuse_key(name, "an account name")
    return values.new_account_name(name)
