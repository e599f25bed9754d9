"""`Registry.credentials`: what accounts log in with at the exchanges."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from registry.catalog.specification import Field, fields_of
from registry.clock import now
from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.events.credentials import Permission
from registry.execution.executor import Outcome
from registry.facade.context import By, Context, split
from registry.hints import Hint, Option
from registry.services.changes import destruction
from registry.services.changes.credentials import CredentialInput, CredentialService, Mode, SlotName
from registry.services.reading import accounts as reading
from registry.services.releases.releases import ReleaseService
from registry.services.releases.resolution import Access, Resolution, Wish
from registry.services.releases.resolution import resolve as resolve_credentials
from registry.values import duration

Records = list[reading.Record]
Resolutions = list[Resolution]


class CredentialChange(By, total=False):
    """Which of several credentials is meant, and who changes it."""

    subaccount: int | None
    """The subaccount at the exchange, where there are several."""
    permission: Permission | None
    """What the key can do at the exchange; `full` for a new one unless said."""


class CredentialDetails(CredentialChange, total=False):
    """What a credential has besides its secrets."""

    label: str | None
    expires_at: dt.datetime | str | None
    """When the exchange ends it."""
    ip_allow_list: Sequence[str] | None
    """The addresses that the key is bound to."""
    exchange_account_id: str | None
    """The account's id at the exchange."""


class NewCredential(CredentialDetails, total=False):
    """How a credential is stored."""

    cascade: bool
    """Whether others may borrow what is changed."""
    allow_shared_secret: bool
    """Whether another account may hold the same secret."""


class Credentials:
    """Credentials of accounts at exchanges, each in its slot."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._service = CredentialService(context)

    def add(
        self,
        account: str,
        exchange: str,
        fields: Mapping[str, Secret | str | int],
        **how: Unpack[NewCredential],
    ) -> Outcome:
        """Stores a credential in an empty slot.

        Raises:
            CredentialExists: the slot holds one already.
            InvalidCredential: fields are missing, unknown, placeholders or of the wrong type.
            SecretInUse: another account holds the same secret.
            AccountNotFound, AccountInactive, ExchangeNotFound: see their texts.
            MasterKeyMissing, MasterKeyWrong: the secrets cannot be sealed.
        """
        return self._store(account, exchange, fields, Mode.ADD, how)

    def replace(
        self,
        account: str,
        exchange: str,
        fields: Mapping[str, Secret | str | int],
        **how: Unpack[NewCredential],
    ) -> Outcome:
        """Replaces a credential's secrets, as its next version; errors as `add`.

        Raises:
            CredentialNotFound: the slot is empty.
            AccountInUse: borrowers would get another key, and `cascade` is not said.
        """
        return self._store(account, exchange, fields, Mode.REPLACE, how)

    def update(self, account: str, exchange: str, **details: Unpack[CredentialDetails]) -> Outcome:
        """Changes the details that are named; None empties one.

        Raises:
            CredentialNotFound: the account has no such credential.
            InvalidInput: a value is not acceptable, or no detail is named.
        """
        slot, changes, by = _taken_apart(exchange, details)
        return self._service.update(account, slot, changes, self._context.invocation(by))

    def deactivate(
        self,
        account: str,
        exchange: str,
        *,
        cascade: bool = False,
        **which: Unpack[CredentialChange],
    ) -> Outcome:
        """Stops a credential: it cannot be used until it is reactivated.

        Raises:
            CredentialNotFound, CredentialInactive: there is none, or it is stopped.
            AccountInUse: it is lent, and `cascade` is not said.
        """
        slot, _, by = _taken_apart(exchange, which)
        invocation = self._context.invocation(by)
        return self._service.deactivate(account, slot, invocation, cascade=cascade)

    def reactivate(self, account: str, exchange: str, **which: Unpack[CredentialChange]) -> Outcome:
        """Lets a deactivated credential be used again.

        Raises:
            CredentialNotFound, Conflict: there is none, or it is active.
        """
        slot, _, by = _taken_apart(exchange, which)
        return self._service.reactivate(account, slot, self._context.invocation(by))

    def remove(
        self,
        account: str,
        exchange: str,
        *,
        cascade: bool = False,
        destroy: bool = False,
        **which: Unpack[CredentialChange],
    ) -> Outcome:
        """Removes a credential; the history keeps it, encrypted, unless `destroy` is said.

        Raises:
            CredentialNotFound: there is none.
            AccountInUse: it is lent, and `cascade` does not say to end these shares.
        """
        slot, _, by = _taken_apart(exchange, which)
        invocation = self._context.invocation(by)
        if destroy:
            return destruction.remove_and_destroy(
                self._context, account, slot, invocation, cascade=cascade
            )
        return self._service.remove(account, slot, invocation, cascade=cascade)

    def destroy_secrets(
        self,
        account: str,
        exchange: str,
        *,
        version: int | Sequence[int] = (),
        old: bool = False,
        **which: Unpack[CredentialChange],
    ) -> Outcome:
        """Destroys versions for ever, or all that are not in use; also of a deleted account.

        Raises:
            InvalidInput: neither versions nor `old` are said, or both.
            CredentialNotFound, SecretsDestroyed: there are no such secrets any more.
        """
        versions = [version] if isinstance(version, int) else list(version)
        if bool(versions) == old:
            which_one = Hint(Option("version", ...), ", or ", Option("old"), ".")
            raise InvalidInput("it must be said what is destroyed", hint=which_one)
        slot, _, by = _taken_apart(exchange, which)
        invocation = self._context.invocation(by)
        return destruction.destroy_secrets(
            self._context, account, slot, versions or None, invocation
        )

    def list(
        self,
        account: str | None = None,
        *,
        exchange: str | None = None,
        due: dt.timedelta | str | None = None,
    ) -> Records:
        """Credentials without their secrets; with `due` those that expire within this span.

        Raises:
            AccountNotFound, ExchangeNotFound: there is no such account or exchange.
        """
        span = duration(due, "due") if isinstance(due, str) else due
        until = None if span is None else now() + span
        return reading.list_credentials(self._context, account, exchange, due_until=until)

    def resolve(
        self,
        account: str,
        exchange: str | None = None,
        *,
        subaccount: int | None = None,
        access: Access | None = None,
        lender: str | None = None,
    ) -> Resolutions:
        """Which credential an account would use, and why; nothing is released.

        Raises:
            AccountNotFound, ExchangeNotFound: there is no such account or exchange.
        """
        wish = Wish(subaccount=subaccount, access=access, lender=lender)
        return resolve_credentials(self._context, account, exchange, wish)

    def reveal(
        self,
        account: str,
        exchange: str,
        *,
        field: str,
        subaccount: int | None = None,
        access: Access | None = None,
        actor: str | None = None,
        reason: str | None = None,
    ) -> Secret:
        """One field of a credential; that is recorded as a release.

        Raises:
            InvalidInput: the credential has no such field.
            RegistryError: as `CredentialLoader.load`.
        """
        caller = self._context.caller("", actor, reason)
        service = ReleaseService(self._context, self._context.keyring())
        wish = Wish(subaccount=subaccount, access=access)
        return service.reveal(account, exchange, field, wish, caller)[0]

    def _store(
        self,
        account: str,
        exchange: str,
        fields: Mapping[str, Any],
        mode: Mode,
        how: NewCredential,
    ) -> Outcome:
        sealed: Mapping[str, Field] = fields_of(exchange, fields)
        slot, rest, by = _taken_apart(exchange, how)
        options = {name: rest.pop(name, False) for name in ("cascade", "allow_shared_secret")}
        details = {name: value for name, value in rest.items() if value is not None}
        return CredentialService(self._context, self._context.keyring()).store(
            account,
            [CredentialInput(slot, sealed, details, mode)],
            self._context.invocation(by),
            verb=f"{mode.value}-credential",
            **options,
        )


def _taken_apart(exchange: str, given: CredentialChange) -> tuple[SlotName, dict[str, Any], By]:
    """The slot that is meant, what else was given by name, and who asks."""
    by, rest = split(given)
    slot = SlotName(exchange, rest.pop("subaccount", None), rest.pop("permission", None))
    return slot, rest, by
