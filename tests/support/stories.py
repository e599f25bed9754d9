"""What happened to an account, in words that tests put together to a story.

    after(created("lender"), ASTER.added(), ASTER.replaced(version=2), ASTER.deactivated())

Each word is an event; what it does not say has a value that does not matter.
"""

import uuid
from dataclasses import dataclass
from typing import Any, Final

from registry.events.access import AccessGranted, AccessRevoked
from registry.events.accounts import AccountCreated
from registry.events.credentials import (
    CredentialAdded,
    CredentialDeactivated,
    CredentialReactivated,
    CredentialRemoved,
    CredentialReplaced,
    CredentialSecretsDestroyed,
    CredentialUpdated,
)
from registry.events.permissions import Permission, SharingType
from registry.events.sharing import SharingChanged, SharingGranted, SharingRevoked

EXCHANGES: Final = {"lighter": 1, "aster": 2, "backpack": 3}


def created(name: str = "bot", **details: Any) -> AccountCreated:
    """The account came to be."""
    return AccountCreated(account_name=name, **details)


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential, whose events it makes."""

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
        """What each of its events says."""
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
        """Its slot received it."""
        return CredentialAdded(**self._sealed(version), **details)

    def replaced(self, version: int = 2, **details: Any) -> CredentialReplaced:
        """It has new secrets."""
        return CredentialReplaced(**self._sealed(version), **details)

    def updated(self, **details: Any) -> CredentialUpdated:
        """Details changed."""
        return CredentialUpdated(**self.identity, **details)

    def deactivated(self) -> CredentialDeactivated:
        """It may not be used."""
        return CredentialDeactivated(**self.identity)

    def reactivated(self) -> CredentialReactivated:
        """It may be used again."""
        return CredentialReactivated(**self.identity)

    def removed(self) -> CredentialRemoved:
        """Its slot is empty."""
        return CredentialRemoved(**self.identity)

    def destroyed(self, *versions: int) -> CredentialSecretsDestroyed:
        """The data keys of versions are gone."""
        keys = [self.key(version) for version in versions]
        return CredentialSecretsDestroyed(
            **self.identity, versions=list(versions), data_key_ids=keys
        )


@dataclass(frozen=True, slots=True)
class Loan:
    """A share, whose events (of the borrower's stream) it makes."""

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
        """The borrower may use what is lent."""
        return SharingGranted(**self._said(sharing_type))

    def changed(self, sharing_type: SharingType) -> SharingChanged:
        """It may do more or less with it."""
        return SharingChanged(**self._said(sharing_type))

    def revoked(self, sharing_type: SharingType = "full") -> SharingRevoked:
        """It may not use it any more."""
        return SharingRevoked(**self._said(sharing_type))


@dataclass(frozen=True, slots=True)
class Access:
    """A login role's access, whose events it makes."""

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
        """It may not."""
        return AccessRevoked(access_id=self.id, role=self.role)
