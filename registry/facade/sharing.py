"""`Registry.shares` and `Registry.access`: who may use an account's credentials."""

from typing import Any, Unpack

from registry.events.permissions import SharingType
from registry.execution.executor import Outcome
from registry.facade.checking import checked
from registry.facade.context import Context
from registry.facade.given import By
from registry.services.changes.access import AccessService
from registry.services.changes.sharing import SharingService
from registry.services.reading.lists import list_access, list_shares

Records = list[dict[str, Any]]


@checked
class Shares:
    """Shares: one account lends its credential of an exchange, another one borrows it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._service = SharingService(context)

    def grant(
        self,
        borrower: str,
        lender: str,
        exchange: str,
        sharing_type: SharingType = "full",
        **by: Unpack[By],
    ) -> Outcome:
        """Lets the borrower use the lender's credential; again with another type changes it."""
        invocation = self._context.invocation(by)
        return self._service.share(borrower, lender, exchange, sharing_type, invocation)

    change = grant

    def revoke(self, borrower: str, exchange: str, **by: Unpack[By]) -> Outcome:
        """Ends what an account borrows for an exchange."""
        return self._service.unshare(borrower, exchange, self._context.invocation(by))

    def list(self, account: str | None = None, *, exchange: str | None = None) -> Records:
        """The shares of an account, as borrower or lender, of an exchange, or all."""
        return list_shares(self._context, account, exchange)


@checked
class AccessOfRoles:
    """Which login role of the database may use which account."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._service = AccessService(context)

    def grant(self, account: str, role: str, **by: Unpack[By]) -> Outcome:
        """Lets a login role use an account; it becomes a bot if it is none."""
        return self._service.grant(account, role, self._context.invocation(by))

    def revoke(self, account: str, role: str, **by: Unpack[By]) -> Outcome:
        """Takes an account from a login role."""
        return self._service.revoke(account, role, self._context.invocation(by))

    def list(self, account: str | None = None) -> Records:
        """Which roles may use an account, or all accounts."""
        return list_access(self._context, account)
