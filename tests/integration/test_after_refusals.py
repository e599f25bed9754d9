"""One connection still works after many refused commands."""

import pytest

from registry.database.opening import SingleConnection
from registry.errors import AccountExists
from registry.execution.executor import Invocation
from registry.rules.accounts import CreateAccount, UpdateAccount
from registry.services.changes.accounts import AccountService

OFTEN = 12
"""More often than a statement runs before the driver prepares it."""


def test_a_name_that_is_taken_again_and_again_breaks_nothing(
    database: SingleConnection, invocation: Invocation
) -> None:
    service = AccountService(database)
    service.create(CreateAccount(account_name="bot"), invocation)
    for _ in range(OFTEN):
        with pytest.raises(AccountExists):
            service.create(CreateAccount(account_name="bot"), invocation)
    for number in range(OFTEN):
        name = f"bot-{number}"
        assert service.create(CreateAccount(account_name=name), invocation).changed
        assert service.update(name, UpdateAccount(description="x"), invocation).changed
