"""Accounts with credentials and shares, made in a line each."""

import uuid
from collections.abc import Mapping
from typing import Any

from registry.database.connection import Database
from registry.encryption.keyring import MasterKeyring
from registry.events.credentials import Permission
from registry.events.sharing import SharingType
from registry.execution.executor import Invocation
from registry.rules.accounts import CreateAccount
from registry.services.changes.access import AccessService
from registry.services.changes.accounts import AccountService
from registry.services.changes.credentials import CredentialInput, CredentialService, Mode
from registry.services.changes.sharing import SharingService
from registry.services.changes.slot_tasks import SlotName
from registry.services.releases.releases import Caller

BY = Invocation(actor="tester@host")
CALLER = Caller(actor="bot@host", host="host", purpose="test")

FIELDS: Mapping[str, Mapping[str, str]] = {
    "backpack": {"public_key": "backpack-public", "secret_key": "backpack-secret"},
    "aster": {"api_key": "aster-key", "secret_key": "aster-secret"},
    "lighter": {"private_key": "lighter-secret", "account_index": "7"},
}


class World:
    """What a test starts from."""

    def __init__(self, database: Database, keyring: MasterKeyring) -> None:
        self.database = database
        self.keyring = keyring
        self.accounts = AccountService(database)
        self.credentials = CredentialService(database, keyring)
        self.sharing = SharingService(database)
        self.access = AccessService(database)

    def account(self, name: str, *exchanges: str, **metadata: Any) -> uuid.UUID:
        """An account with a full credential for each exchange."""
        created = self.accounts.create(CreateAccount(account_name=name, metadata=metadata), BY)
        for exchange in exchanges:
            self.credential(name, exchange)
        assert created.stream_id is not None
        return created.stream_id

    def credential(
        self,
        account: str,
        exchange: str,
        *,
        subaccount: int | None = None,
        permission: Permission = "full",
        mode: Mode = Mode.ADD,
        details: Mapping[str, Any] | None = None,
        cascade: bool = False,
        **fields: str,
    ) -> None:
        """A credential; its values begin with the account's name unless they are given."""
        values = fields or {
            n: v if v.isdigit() else f"{account}-{v}" for n, v in FIELDS[exchange].items()
        }
        one = CredentialInput(
            SlotName(exchange, subaccount, permission), values, details or {}, mode
        )
        self.credentials.store(account, [one], BY, verb="test", cascade=cascade)

    def share(
        self, borrower: str, lender: str, exchange: str, sharing_type: SharingType = "full"
    ) -> None:
        """A share."""
        self.sharing.share(borrower, lender, exchange, sharing_type, BY)
