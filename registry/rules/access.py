"""Decisions about access: the login roles that may use an account."""

import uuid
from collections.abc import Iterator
from typing import cast

from projections import access
from projections.access import AccessRow
from registry.errors import AccessNotFound
from registry.events.access import AccessGranted, AccessRevoked
from registry.events.base import EventModel
from registry.rules.account_state import AccountState


def grant(state: AccountState, role: str, new_id: uuid.UUID) -> list[EventModel]:
    """Lets the role use the account; no event if it already may.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`.
    """
    state.active_account()
    if any(row["role_name"] == role for row in _granted(state)):
        return []
    return [AccessGranted(access_id=new_id, role=role)]


def revoke(state: AccountState, role: str) -> list[EventModel]:
    """Takes the account from the role.

    Raises:
        AccountNotFound: the account was never created, or was deleted.
        AccessNotFound: the role has no access.
    """
    name = state.name
    found = [event for event in access_revocations(state) if event.role == role]
    if not found:
        roles = ", ".join(row["role_name"] for row in _granted(state))
        raise AccessNotFound(
            f"the role {role} has no access to account {name}",
            hint=f"Those who have: {roles}." if roles else None,
        )
    return list(found)


def access_revocations(state: AccountState) -> list[AccessRevoked]:
    """The events that revoke the access of all roles."""
    return [
        AccessRevoked(access_id=uuid.UUID(row["id"]), role=row["role_name"])
        for row in _granted(state)
    ]


def _granted(state: AccountState) -> Iterator[AccessRow]:
    for row in state.rows.get(access.TABLE.name, {}).values():
        yield cast("AccessRow", row)
