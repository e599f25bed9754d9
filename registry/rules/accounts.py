"""Decisions about accounts."""

import enum
from dataclasses import dataclass
from typing import Any, Final, Literal

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
from registry.shapes import refuse_key, refuse_keys_within


class _Unchanged(enum.Enum):
    UNCHANGED = enum.auto()


UNCHANGED: Final = _Unchanged.UNCHANGED
"""Stands for a detail that a command leaves as it is."""
Unchanged = Literal[_Unchanged.UNCHANGED]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAccount:
    """Make a new account."""

    account_name: str
    wallet_address: str | None = None
    description: str | None = None
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAccount:
    """Change details; None clears one."""

    wallet_address: str | Unchanged | None = UNCHANGED
    description: str | Unchanged | None = UNCHANGED
    metadata: dict[str, Any] | Unchanged = UNCHANGED


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
    given: dict[str, Any] = {"account_name": _name(command.account_name)}
    if command.wallet_address is not None:
        given["wallet_address"] = values.wallet_address(command.wallet_address)
    if command.description is not None:
        given["description"] = _description(command.description)
    if command.metadata is not None:
        given["metadata"] = _metadata(command.metadata)
    return [AccountCreated(**given)]


def update(state: AccountState, command: UpdateAccount) -> list[EventModel]:
    """The details that differ from what they are.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
        InvalidInput: a value is not acceptable, or the command names no detail.
    """
    account = state.active_account()
    asked: dict[str, Any] = {}
    if command.wallet_address is not UNCHANGED:
        address = command.wallet_address
        asked["wallet_address"] = None if address is None else values.wallet_address(address)
    if command.description is not UNCHANGED:
        text = command.description
        asked["description"] = None if text is None else _description(text)
    if command.metadata is not UNCHANGED:
        asked["metadata"] = _metadata(command.metadata)
    if not asked:
        details = (Option(name, ...) for name in ("wallet_address", "description", "metadata"))
        hint = Hint("Name it: ", Hint.joined(", ", details), ".")
        raise InvalidInput("nothing to change was named", hint=hint)
    current = dict(account)
    changed = {name: value for name, value in asked.items() if value != current[name]}
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


def _metadata(value: Any) -> dict[str, Any]:
    metadata = values.metadata(value)
    refuse_keys_within(metadata, "metadata")
    return metadata


def _description(text: str) -> str:
    return values.short_text(text, "a description", limit=values.MAX_TEXT)
