"""Events of an account as short words, for tests to combine into a story.

    after(created("lender"), ASTER.added(), ASTER.replaced(version=2), ASTER.deactivated())

Each word is an event; values that the test does not give do not matter.
"""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, Final

from registry.events.access import AccessGranted, AccessRevoked
from registry.events.accounts import AccountCreated
from registry.events.credentials import (
    CredentialAdded,
    CredentialDeactivated,
    CredentialPrepared,
    CredentialReactivated,
    CredentialRemoved,
    CredentialReplaced,
    CredentialSecretsDestroyed,
    CredentialUpdated,
    CredentialVersionKept,
    CredentialVersionRetired,
)
from registry.events.permissions import Permission, SharingType
from registry.events.sharing import SharingChanged, SharingGranted, SharingRevoked

GRACE_ENDS: Final = dt.datetime(2031, 1, 1, tzinfo=dt.UTC)
EXCHANGES: Final = {"lighter": 1, "aster": 2, "backpack": 3}


def created(name: str = "bot", **details: Any) -> AccountCreated:
    """The account was created."""
    return AccountCreated(account_name=name, **details)


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential, which makes its own events."""

    number: int = 1
    exchange: str = "aster"
    subaccount: int | None = None
    permission: Permission = "full"

    @property
    def id(self) -> uuid.UUID:
        """Its id."""
        return uuid.UUID(int=self.number)

    def key(self, version: int = 1) -> uuid.UUID:
        """The id of the data key of a version."""
        return uuid.UUID(int=0x1000 * self.number + version)

    @property
    def identity(self) -> dict[str, Any]:
        """The fields that all of its events have."""
        return {
            "credential_id": self.id,
            "exchange": self.exchange,
            "exchange_id": EXCHANGES[self.exchange],
            "subaccount_index": self.subaccount,
            "permission": self.permission,
        }

    def _sealed(self, version: int) -> dict[str, Any]:
        fields = ("api_key", "secret_key", "passphrase")
        return {
            **self.identity,
            "version": version,
            "data_key_id": self.key(version),
            "tokens": {name: f"{name} {self.number}.{version}" for name in fields},
            "fingerprints": dict.fromkeys(fields, f"{self.number}.{version}"),
        }

    def added(self, version: int = 1, **details: Any) -> CredentialAdded:
        """It was stored in its slot."""
        return CredentialAdded(**self._sealed(version), **details)

    def replaced(self, version: int = 2, **details: Any) -> CredentialReplaced:
        """Its secrets were replaced."""
        return CredentialReplaced(**self._sealed(version), **details)

    def prepared(self, version: int = 2, **details: Any) -> CredentialPrepared:
        """A next version of its secrets was stored."""
        return CredentialPrepared(**self._sealed(version), **details)

    def kept(self, version: int = 1, *, until: dt.datetime = GRACE_ENDS) -> CredentialVersionKept:
        """A former version can still be asked for."""
        named: dict[str, Any] = {"version": version, "data_key_id": self.key(version)}
        return CredentialVersionKept(**self.identity, **named, usable_until=until)

    def retired(self, version: int = 1) -> CredentialVersionRetired:
        """A version cannot be asked for any more."""
        named: dict[str, Any] = {"version": version, "data_key_id": self.key(version)}
        return CredentialVersionRetired(**self.identity, **named)

    def updated(self, **details: Any) -> CredentialUpdated:
        """Its details changed."""
        return CredentialUpdated(**self.identity, **details)

    def deactivated(self) -> CredentialDeactivated:
        """It was deactivated."""
        return CredentialDeactivated(**self.identity)

    def reactivated(self) -> CredentialReactivated:
        """It was reactivated."""
        return CredentialReactivated(**self.identity)

    def removed(self) -> CredentialRemoved:
        """It was removed from its slot."""
        return CredentialRemoved(**self.identity)

    def destroyed(self, *versions: int) -> CredentialSecretsDestroyed:
        """The data keys of some versions were destroyed."""
        keys = [self.key(version) for version in versions]
        return CredentialSecretsDestroyed(
            **self.identity, versions=list(versions), data_key_ids=keys
        )


@dataclass(frozen=True, slots=True)
class Loan:
    """A share, which makes its own events (in the borrower's stream)."""

    lender_id: uuid.UUID
    lender: str = "lender"
    exchange: str = "aster"
    number: int = 0x51

    @property
    def id(self) -> uuid.UUID:
        """Its id."""
        return uuid.UUID(int=self.number)

    def _said(self, sharing_type: SharingType) -> dict[str, Any]:
        return {
            "share_id": self.id,
            "exchange": self.exchange,
            "exchange_id": EXCHANGES[self.exchange],
            "lender_id": self.lender_id,
            "lender": self.lender,
            "sharing_type": sharing_type,
        }

    def granted(self, sharing_type: SharingType = "full") -> SharingGranted:
        """The borrower may use the lender's credential."""
        return SharingGranted(**self._said(sharing_type))

    def changed(self, sharing_type: SharingType) -> SharingChanged:
        """Its sharing type changed."""
        return SharingChanged(**self._said(sharing_type))

    def revoked(self, sharing_type: SharingType = "full") -> SharingRevoked:
        """It ended."""
        return SharingRevoked(**self._said(sharing_type))


@dataclass(frozen=True, slots=True)
class Access:
    """A login role's access, which makes its own events."""

    role: str = "bot_role"
    number: int = 0xACC

    @property
    def id(self) -> uuid.UUID:
        """Its id."""
        return uuid.UUID(int=self.number)

    def granted(self) -> AccessGranted:
        """The role may use the account."""
        return AccessGranted(access_id=self.id, role=self.role)

    def revoked(self) -> AccessRevoked:
        """The access was revoked."""
        return AccessRevoked(access_id=self.id, role=self.role)
