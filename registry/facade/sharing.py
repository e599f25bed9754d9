"""`Registry.shares` and `Registry.access`: the rights to use an account's credentials."""

import functools
from typing import TYPE_CHECKING, Any, Unpack

from registry.events.permissions import SharingType
from registry.facade.checking import checked
from registry.facade.context import Context
from registry.facade.given import By
from registry.services.reading.accounts import only
from registry.services.reading.lists import list_access, list_shares

if TYPE_CHECKING:
    from registry.execution.executor import Outcome
    from registry.services.changes.access import AccessService
    from registry.services.changes.sharing import SharingService

Records = list[dict[str, Any]]


@checked
class Shares:
    """Shares: one account lends its credential of an exchange, another account borrows it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @functools.cached_property
    def _service(self) -> "SharingService":
        from registry.services.changes.sharing import SharingService

        return SharingService(self._context)

    def grant(
        self,
        borrower: str,
        lender: str,
        exchange: str,
        sharing_type: SharingType = "full",
        **by: Unpack[By],
    ) -> "Outcome":
        """Lets the borrower use the lender's credential; changes the type of an existing share."""
        invocation = self._context.invocation(by)
        return self._service.share(borrower, lender, exchange, sharing_type, invocation)

    change = grant

    def revoke(self, borrower: str, exchange: str, **by: Unpack[By]) -> "Outcome":
        """Ends the share by which an account borrows for an exchange."""
        return self._service.unshare(borrower, exchange, self._context.invocation(by))

    def list(
        self,
        account: str | None = None,
        *,
        exchange: str | None = None,
        sharing_type: SharingType | None = None,
    ) -> Records:
        """Shares: all, or those of an account (borrower or lender), an exchange or a type."""
        return only(list_shares(self._context, account, exchange), sharing_type=sharing_type)


@checked
class AccessOfRoles:
    """The access of the database's login roles to accounts."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @functools.cached_property
    def _service(self) -> "AccessService":
        from registry.services.changes.access import AccessService

        return AccessService(self._context)

    def grant(self, account: str, role: str, **by: Unpack[By]) -> "Outcome":
        """Lets a login role use an account; the role becomes a member of registry_bot if needed."""
        return self._service.grant(account, role, self._context.invocation(by))

    def revoke(self, account: str, role: str, **by: Unpack[By]) -> "Outcome":
        """Revokes the access of a login role to an account."""
        return self._service.revoke(account, role, self._context.invocation(by))

    def list(self, account: str | None = None, *, role: str | None = None) -> Records:
        """The roles that may use an account, or all accounts; or what one role may use."""
        return only(list_access(self._context, account), role=role)
