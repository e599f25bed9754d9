"""`Registry.accounts`: bots and wallets."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from registry.facade.checking import checked
from registry.facade.context import Part
from registry.facade.given import By, split
from registry.rules.details import AccountDetails
from registry.services.reading import accounts as reading

if TYPE_CHECKING:
    from registry.execution.executor import Outcome

Moment = Any
"""The position of an event, a time, or either as text."""
Records = list[reading.Record]


class AccountChange(By, AccountDetails, total=False):
    """The details of an account, with the actor and the reason of a change."""


@checked
class Accounts(Part):
    """Accounts: bots and wallets."""

    def create(
        self, account: str, *, as_is: bool = False, **details: Unpack[AccountChange]
    ) -> "Outcome":
        """Makes an account (or raises AccountExists); its id is the outcome's `stream_id`.

        A key of the metadata that looks like a limit's, mistyped, is refused unless `as_is`.
        """
        from registry.rules.accounts import CreateAccount
        from registry.services.changes.accounts import CreateTask, naming

        by, given = split(details)
        command = CreateAccount(account_name=account, as_is=as_is, **given)
        with naming(account):
            return self._context.execute(CreateTask(command), by)

    def update(
        self,
        account: str,
        *,
        set: Mapping[str, Any] | None = None,  # noqa: A002 - as the option is called
        unset: Sequence[str] = (),
        as_is: bool = False,
        cascade: bool = False,
        **details: Unpack[AccountChange],
    ) -> "Outcome":
        """Changes the details that are named; None empties one.

        `set` and `unset` change keys of the metadata and keep the others; `metadata` replaces
        all of it. `as_is` is as in `create`. AccountInUse if borrowers lose an exchange that is
        allowed no more, unless `cascade`.
        """
        from registry.rules.accounts import UpdateAccount
        from registry.rules.metadata import KeyChanges
        from registry.services.changes.accounts import UpdateTask

        by, given = split(details)
        command = UpdateAccount(KeyChanges(dict(set or {}), unset), as_is=as_is, **given)
        return self._context.execute(UpdateTask(account, command, cascade=cascade), by)

    def rename(self, account: str, new_name: str, **by: Unpack[By]) -> "Outcome":
        """Renames an account; AccountExists if another account has the name."""
        from registry.services.changes.accounts import naming, rename

        with naming(new_name):
            return self._context.execute(rename(account, new_name), by)

    def deactivate(self, account: str, *, cascade: bool = False, **by: Unpack[By]) -> "Outcome":
        """Stops an account; AccountInUse while other accounts borrow from it, unless `cascade`."""
        from registry.services.changes.account_ends import DeactivateTask

        return self._context.execute(DeactivateTask(account, cascade=cascade), by)

    def reactivate(self, account: str, **by: Unpack[By]) -> "Outcome":
        """Lets a deactivated account be used again."""
        from registry.services.changes.accounts import reactivate

        return self._context.execute(reactivate(account), by)

    def delete(self, account: str, *, cascade: bool = False, **by: Unpack[By]) -> "Outcome":
        """Deletes an account and its credentials; the history keeps them, encrypted.

        AccountInUse if it owns positions, or is part of shares without `cascade`.
        """
        from registry.services.changes.account_ends import DeleteTask

        return self._context.execute(DeleteTask(account, cascade=cascade), by)

    def list(
        self,
        *,
        as_of: Moment = None,
        active: bool | None = None,
        exchange: str | None = None,
        name: str | None = None,
    ) -> Records:
        """Accounts by name, as they are, or as they were after an event or at a time.

        All, or those that are active (or are not), that have a credential of the exchange, and
        whose name fits a pattern such as `grid_*`.
        """
        if as_of is None:
            found = reading.list_accounts(self._context, exchange)
        else:
            from registry.services.reading import as_of as past

            moment = past.parse_moment(as_of, "as_of")
            found = past.list_accounts(self._context, moment, exchange)
        return reading.fitting(found, active=active, name=name)

    def get(self, account: str, *, as_of: Moment = None) -> reading.Record:
        """An account with its credentials (never their secrets), now or as of a past moment."""
        if as_of is None:
            return reading.show_account(self._context, account)
        from registry.services.reading import as_of as past

        return past.show_account(self._context, account, past.parse_moment(as_of, "as_of"))
