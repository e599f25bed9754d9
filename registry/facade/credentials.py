"""`Registry.credentials`: the credentials of accounts at exchanges."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack

from registry.clock import now
from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.events.permissions import Access, Permission
from registry.facade.checking import checked
from registry.facade.context import Part
from registry.facade.given import By, split
from registry.hints import Hint, Option
from registry.moments import duration
from registry.rules.details import CredentialDetails
from registry.services.reading import accounts as reading
from registry.subaccounts import Choice

if TYPE_CHECKING:
    from registry.checking.findings import Checked
    from registry.checking.rotating import Rotated
    from registry.execution.executor import Outcome
    from registry.services.changes.slot_tasks import SlotName
    from registry.services.reading.versions import Held, Version
    from registry.services.releases.resolution import Resolution

Fields: TypeAlias = Mapping[str, Secret | str | int]
"""Field name -> value of a credential; a text becomes a `Secret` at once."""
ClientConfig: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Exchange -> settings of its ccxt client."""
Records = list[reading.Record]
Resolutions: TypeAlias = "list[Resolution]"
Checks: TypeAlias = "list[Checked]"
Versions: TypeAlias = "list[Version]"
HeldVersions: TypeAlias = "list[Held]"


class Which(By, total=False):
    """Options that select a credential, with the actor and the reason of a change."""

    subaccount: int | None
    """The subaccount at the exchange, if there are several."""
    permission: Permission | None
    """The permission of the key at the exchange; `full` by default for a new credential."""


class CredentialChange(Which, CredentialDetails, total=False):
    """The details of a credential, with the options of `Which`."""


class New(CredentialChange, total=False):
    """Options for storing a credential."""

    cascade: bool
    """Whether borrowers may get another key through the change."""
    allow_shared_secret: bool
    """Whether another account may hold the same secret."""
    check: bool
    """Whether the exchange is asked first; a key that does not work is not stored."""
    client_config: ClientConfig | None
    """Settings of ccxt's clients for that, by exchange."""


class NewVersion(CredentialChange, total=False):
    """Options for a rotation."""

    allow_shared_secret: bool
    """Whether another account may hold the same secret."""
    client_config: ClientConfig | None
    """Settings of ccxt's clients for the check, by exchange."""


@checked
class Credentials(Part):
    """Credentials of accounts at exchanges, each in its slot."""

    def add(self, account: str, exchange: str, fields: Fields, **how: Unpack[New]) -> "Outcome":
        """Stores a credential in an empty slot; CredentialExists if it is not empty.

        InvalidCredential names fields that are missing, unknown, placeholders or of a wrong
        type. SecretInUse names the other account that holds the same secret. With `check`, DeadKey
        says that the exchange refuses the key, and ExchangeGaveNoAnswer that it did not tell.
        """
        return self._store(account, exchange, fields, "add", how)

    def replace(self, account: str, exchange: str, fields: Fields, **how: Unpack[New]) -> "Outcome":
        """Replaces a credential's secrets, as its next version; errors as `add`.

        CredentialNotFound if the slot is empty; AccountInUse if borrowers would get another
        key, unless `cascade`.
        """
        return self._store(account, exchange, fields, "replace", how)

    def rotate(
        self,
        account: str,
        exchange: str,
        fields: Fields | None = None,
        *,
        prepare: bool = False,
        check: bool | None = None,
        activate: bool = False,
        abandon: bool = False,
        retire: bool = False,
        grace: dt.timedelta | str = "24h",
        version: int | None = None,
        although_held: bool = False,
        **how: Unpack[NewVersion],
    ) -> "Rotated":
        """Takes the steps of a rotation; nothing changes at the exchange.

        With `fields` alone, it takes three: the new key is stored as a pending version, the
        exchange is asked about it, and it comes into use. Each step can be named alone:
        `prepare` stores the fields, `check` asks, `activate` asks and brings the pending version
        into use, `abandon` gives it up. With `check=False` nobody asks. The former version can be
        asked for by its number during the `grace`; `retire` ends that, for one `version` or all.

        DeadKey says that the exchange refuses the key, which is given up if it was new.
        ExchangeGaveNoAnswer and NotCheckable leave it pending. VersionPending: there is another.
        VersionHeld names who may still hold what is to be retired, unless `although_held`.
        """
        from registry.facade.rotating import rotate, steps_of

        slot, rest = _slot(exchange, how)
        named = {"prepare": prepare, "activate": activate, "abandon": abandon, "retire": retire}
        return rotate(
            self._context,
            (account, slot),
            steps_of(named, check=check, is_new=fields is not None),
            fields,
            rest,
            grace=duration(grace, "grace") if isinstance(grace, str) else grace,
            version=version,
            although_held=although_held,
        )

    def versions(self, account: str | None = None, *, exchange: str | None = None) -> "Versions":
        """The versions of credentials, the newest first, each with its state; never secrets."""
        from registry.services.reading.versions import list_versions

        return list_versions(self._context, account, exchange)

    def held(self, account: str | None = None, *, exchange: str | None = None) -> "HeldVersions":
        """Who may still hold a version that is not the current one, the longest first.

        An account, login and purpose that received it, and no other version since. So it names
        borrowers too, and whoever received a credential that was removed or destroyed.
        """
        from registry.services.reading.versions import list_held

        return list_held(self._context, account, exchange)

    def update(self, account: str, exchange: str, **details: Unpack[CredentialChange]) -> "Outcome":
        """Changes the named details; None clears a detail."""
        from registry.services.changes import credentials as changes

        slot, rest = _slot(exchange, details)
        by, given = split(rest)
        return self._context.execute(changes.update(account, slot, given), by)

    def deactivate(
        self, account: str, exchange: str, *, cascade: bool = False, **which: Unpack[Which]
    ) -> "Outcome":
        """Stops a credential; AccountInUse while it is lent, unless `cascade`."""
        from registry.services.changes import credentials as changes

        slot, by = _slot(exchange, which)
        return self._context.execute(changes.deactivate(account, slot, cascade=cascade), by)

    def reactivate(self, account: str, exchange: str, **which: Unpack[Which]) -> "Outcome":
        """Lets a deactivated credential be used again."""
        from registry.services.changes import credentials as changes

        slot, by = _slot(exchange, which)
        return self._context.execute(changes.reactivate(account, slot), by)

    def remove(
        self,
        account: str,
        exchange: str,
        *,
        cascade: bool = False,
        destroy: bool = False,
        **which: Unpack[Which],
    ) -> "Outcome":
        """Removes a credential; the history keeps it, encrypted, unless `destroy`.

        AccountInUse while it is lent, unless `cascade`, which ends these shares.
        """
        from registry.services.changes.credentials import remove
        from registry.services.changes.destruction import RemoveAndDestroy

        slot, by = _slot(exchange, which)
        remover = RemoveAndDestroy if destroy else remove
        return self._context.execute(remover(account, slot, cascade=cascade), by)

    def destroy_secrets(
        self,
        account: str,
        exchange: str,
        *,
        version: int | Sequence[int] = (),
        old: bool = False,
        **which: Unpack[Which],
    ) -> "Outcome":
        """Destroys given versions, or all `old` versions, for ever; also of a deleted account."""
        from registry.services.changes.destruction import destroy_secrets

        versions = [version] if isinstance(version, int) else list(version)
        if bool(versions) == old:
            hint = Hint(Option("version", ...), " names versions, ", Option("old"), " is the rest.")
            raise InvalidInput("it must be said what is destroyed", hint=hint)
        slot, by = _slot(exchange, which)
        invocation = self._context.invocation(by)
        return destroy_secrets(self._context, account, slot, versions or None, invocation)

    def check_place(
        self,
        account: str,
        exchange: str,
        *,
        replace: bool = False,
        rotate: bool = False,
        subaccount: int | None = None,
        permission: Permission | None = None,
    ) -> None:
        """Raises what `add`, or `replace` or `rotate`, has against the account or the slot.

        A program calls it before it asks anybody for secrets.
        """
        from registry.services.changes import credentials as changes
        from registry.services.changes.slot_tasks import SlotName

        slot = SlotName(exchange, subaccount, permission)
        task = changes.check_place(account, slot, replace=replace, rotate=rotate)
        self._context.execute(task, {"actor": "-", "dry_run": True})

    def list(
        self,
        account: str | None = None,
        *,
        exchange: str | None = None,
        subaccount: int | None = None,
        permission: Permission | None = None,
        active: bool | None = None,
        due: dt.timedelta | str | None = None,
    ) -> Records:
        """Credentials without their secrets: all, or those that the arguments select.

        `due` selects those in use that expire within this span, or have expired. Under
        same_key_in each names the other credentials, of any account, that hold its key, and under
        used_before the versions that held it and gave it up.
        """
        span = duration(due, "due") if isinstance(due, str) else due
        until = None if span is None else now() + span
        found = reading.list_credentials(self._context, account, exchange, due_until=until)
        wanted = {"subaccount_index": subaccount, "permission": permission, "is_active": active}
        return reading.only(found, **wanted)

    def check(
        self,
        account: str | None = None,
        exchange: str | None = None,
        *,
        subaccount: int | None = None,
        permission: Permission | None = None,
        even_in_use: bool = False,
        record: bool = False,
        client_config: ClientConfig | None = None,
        actor: str | None = None,
        reason: str | None = None,
    ) -> "Checks":
        """Asks exchanges whether keys work and what they may do; needs ccxt. Sends reads only.

        Without an account, all credentials are checked. Each is released first, which is recorded.
        A key whose nonces are counted and that was released within a day is left out, unless
        `even_in_use`. With `record`, the log keeps what each exchange that was asked has said.
        `client_config` holds settings of ccxt's clients, as in `{"bybit": {"timeout": 5000}}`.
        """
        from registry.checking.checks import PURPOSE, check, recorded

        found = check(
            self._context,
            self._context.keyring(),
            (account, exchange),
            {"subaccount_index": subaccount, "permission": permission},
            self._context.caller(PURPOSE, actor, reason),
            even_in_use=even_in_use,
            config=client_config,
        )
        if record:
            by: By = {"actor": actor or self._context.actor, "reason": reason}
            for task in recorded(found):
                self._context.execute(task, by)
        return found

    def resolve(
        self,
        account: str,
        exchange: str | None = None,
        *,
        subaccount: Choice = None,
        access: Access | None = None,
        lender: str | None = None,
    ) -> Resolutions:
        """The credentials that an account would use, and why; nothing is released.

        Of several credentials `subaccount` chooses: a number, or for each exchange another, as
        in `{"lighter": 3, "aster": None}`; None is the credential without a subaccount.
        """
        from registry.services.releases.resolution import Wish, resolve

        wish = Wish.of(subaccount, access, lender)
        return resolve(self._context, account, exchange, wish)

    def reveal(
        self,
        account: str,
        exchange: str,
        field: str | None = None,
        *,
        subaccount: Choice = None,
        access: Access | None = None,
        version: int | None = None,
        actor: str | None = None,
        reason: str | None = None,
    ) -> Secret:
        """One field of a credential (by default its only field); recorded as a release.

        `version` is the current one, unless a former one in grace is named, or a pending one.
        """
        from registry.services.releases.releases import ReleaseService
        from registry.services.releases.resolution import Wish

        caller = self._context.caller("reveal", actor, reason)
        service = ReleaseService(self._context, self._context.keyring())
        wish = Wish.of(subaccount, access, version=version)
        return service.reveal(account, exchange, field, wish, caller)[0]

    def whose_key(
        self, value: Secret | str | None = None, *, fingerprint: str | None = None
    ) -> Records:
        """The versions that hold a value, or ever did; the value is shown nowhere.

        With a fingerprint, as the history shows it (`api_key#6e5bec8c`), no master key is needed.
        """
        from registry.services.reading.whose_key import holders_of_fingerprint, holders_of_value

        if value is None and fingerprint is not None:
            return holders_of_fingerprint(self._context, fingerprint)
        if value is None or fingerprint is not None:
            raise InvalidInput("either a value or a fingerprint is looked for")
        secret = Secret(value) if isinstance(value, str) else value
        return holders_of_value(self._context, self._context.keyring(), secret)

    def _store(
        self, account: str, exchange: str, fields: Fields, mode: Literal["add", "replace"], how: New
    ) -> "Outcome":
        from registry.catalog.specification import fields_of
        from registry.services.changes.credentials import CredentialInput, Mode, StoreCredentials

        secrets = fields_of(exchange, fields)
        slot, rest = _slot(exchange, how)
        by, given = split(rest)
        check, config = given.pop("check", False), given.pop("client_config", None)
        options = {name: given.pop(name, False) for name in ("cascade", "allow_shared_secret")}
        details = {name: value for name, value in given.items() if value is not None}
        inputs = [CredentialInput(slot, secrets, details, Mode(mode))]
        keyring = self._context.keyring()
        task = StoreCredentials(account, inputs, keyring, verb=f"{mode}-credential", **options)
        if not check:
            return self._context.execute(task, by)
        from registry.checking.checks import check_before_storing

        # Whatever else is wrong comes first.
        rehearsal = self._context.execute(task, {**by, "dry_run": True})
        if rehearsal.replayed:
            return rehearsal
        notes = check_before_storing(self._context, keyring, account, inputs[0], config)
        outcome = self._context.execute(task, by)
        return replace(outcome, notes=(*outcome.notes, *notes))


def _slot(exchange: str, given: Mapping[str, Any]) -> "tuple[SlotName, Any]":
    """The selected slot, and the other options."""
    from registry.services.changes.slot_tasks import SlotName

    rest = dict(given)
    return SlotName(exchange, rest.pop("subaccount", None), rest.pop("permission", None)), rest
