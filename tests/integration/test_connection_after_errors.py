"""A connection is as good as new after any number of failed commands."""

import pytest

from registry.database.opening import SingleConnection
from registry.errors import AccountExists
from registry.execution.executor import Invocation
from registry.rules.accounts import CreateAccount
from registry.services.changes.accounts import AccountService


def test_a_connection_survives_many_failed_commands(
    database: SingleConnection, invocation: Invocation
) -> None:
    service = AccountService(database)
    service.create(CreateAccount(account_name="taken"), invocation)
    for number in range(20):
        with pytest.raises(AccountExists):
            service.create(CreateAccount(account_name="taken"), invocation)
        service.create(CreateAccount(account_name=f"free_{number}"), invocation)
    with database.connection() as connection:
        connection.execute("BEGIN")
        connection.execute("COMMIT")
