"""`Registry.shares` and `Registry.access`: the rights to use an account's credentials."""

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from registry.encryption.secret import Secret
from registry.events.permissions import SharingType
from registry.facade.checking import checked
from registry.facade.context import Part
from registry.facade.given import By, ignore
from registry.services.reading.accounts import only
from registry.services.reading.lists import list_access, list_shares

if TYPE_CHECKING:
    from registry.execution.executor import Outcome
    from registry.services.changes.bots import BotService, NewBot, RemovedBot

Records = list[dict[str, Any]]


@checked
class Shares(Part):
    """Shares: one account lends its credential of an exchange, another account borrows it."""

    def grant(
        self,
        borrower: str,
        lender: str,
        exchange: str,
        sharing_type: SharingType = "full",
        **by: Unpack[By],
    ) -> "Outcome":
        """Lets the borrower use the lender's credential; changes the type of an existing share."""
        from registry.services.changes.sharing import ShareTask

        return self._context.execute(ShareTask(borrower, lender, exchange, sharing_type), by)

    change = grant

    def revoke(self, borrower: str, exchange: str, **by: Unpack[By]) -> "Outcome":
        """Ends the share by which an account borrows for an exchange."""
        from registry.services.changes.sharing import UnshareTask

        return self._context.execute(UnshareTask(borrower, exchange), by)

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
class AccessOfRoles(Part):
    """The access of the database's login roles to accounts."""

    def grant(self, account: str, role: str, **by: Unpack[By]) -> "Outcome":
        """Lets a login role use an account; the role becomes a member of registry_bot if needed."""
        from registry.services.changes.access import GrantTask

        return self._context.execute(GrantTask(account, role), by)

    def revoke(self, account: str, role: str, **by: Unpack[By]) -> "Outcome":
        """Revokes the access of a login role to an account."""
        from registry.services.changes import access

        return self._context.execute(access.revoke(account, role), by)

    @functools.cached_property
    def _bots(self) -> "BotService":
        from registry.services.changes.bots import BotService

        return BotService(self._context, self._context.target)

    def add_bot(
        self,
        account: str,
        *,
        login: str | None = None,
        password: bool = True,
        new_password: bool = False,
        keep: Callable[[Secret], None] = ignore,
        **by: Unpack[By],
    ) -> "NewBot":
        """Makes a login that may use this account only; its `address` holds its new password.

        The login is called like the account, unless `login` says otherwise. Without `password`
        the server must know it by other means, such as a certificate. With `new_password` the
        account's login is there already. `keep` is called with the address before anything is
        made, and what it raises prevents all.
        """
        invocation = self._context.invocation(by)
        if new_password:
            return self._bots.new_password(login or account, invocation, keep)
        return self._bots.add(account, login, invocation, keep, password=password)

    def remove_bot(self, name: str, **by: Unpack[By]) -> "RemovedBot":
        """Takes all accounts from a bot's login, ends its sessions and drops it.

        The login is named, or an account that has a single one. If the role has to stay, `kept`
        of the result says why.
        """
        return self._bots.remove(name, self._context.invocation(by))

    def find_bot(self, name: str) -> tuple[str, Sequence[str]]:
        """The login that a name means to `remove_bot`, and the accounts that it may use."""
        return self._bots.find(name)

    def list(self, account: str | None = None, *, role: str | None = None) -> Records:
        """The roles that may use an account, or all; `login` says how each stands.

        Or what one role may use.
        """
        return only(list_access(self._context, account), role=role)
