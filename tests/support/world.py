"""Accounts with credentials and shares, created in a line each."""

import uuid
from dataclasses import asdict
from typing import Any, cast

from registry import Registry
from registry.encryption.keyring import MasterKeyring
from registry.events.permissions import Permission, SharingType
from registry.execution.executor import Invocation
from registry.facade.context import Opened
from registry.facade.given import By
from registry.services.releases.releases import Caller
from support.credentials import FIELDS

BY = Invocation(actor="tester@host")
CALLER = Caller(actor="bot@host", host="host", purpose="test")


def said(by: Invocation) -> By:
    """The same as the registry's methods take it."""
    return cast("By", asdict(by))


class World(Registry):
    """A registry for tests, with short methods that fill it."""

    def __init__(self, database: Opened, keyring: MasterKeyring) -> None:
        super().__init__(database, keyring=keyring, actor=BY.actor)
        self.database = database
        self.keyring = keyring

    def account(self, name: str, *exchanges: str, **metadata: Any) -> uuid.UUID:
        """Creates an account with a full credential for each exchange."""
        created = self.accounts.create(name, metadata=metadata)
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
        replace: bool = False,
        cascade: bool = False,
        **fields: str,
    ) -> None:
        """Stores a credential; by default its values begin with the account's name."""
        values = fields or {
            n: v if v.isdigit() or "://" in v else f"{account}-{v}"
            for n, v in FIELDS[exchange].items()
        }
        store = self.credentials.replace if replace else self.credentials.add
        store(
            account,
            exchange,
            values,
            cascade=cascade,
            subaccount=subaccount,
            permission=permission,
        )

    def share(
        self, borrower: str, lender: str, exchange: str, sharing_type: SharingType = "full"
    ) -> None:
        """Grants a share."""
        self.shares.grant(borrower, lender, exchange, sharing_type)
