"""A connection is as good as new after any number of failed commands."""

import pytest

from registry import Registry
from registry.database.opening import SingleConnection
from registry.errors import AccountExists
from registry.execution.executor import Invocation


def test_a_connection_survives_many_failed_commands(
    database: SingleConnection, invocation: Invocation
) -> None:
    service = Registry(database).accounts
    service.create("taken")
    for number in range(20):
        with pytest.raises(AccountExists):
            service.create("taken")
        service.create(f"free_{number}")
    with database.connection() as connection:
        connection.execute("BEGIN")
        connection.execute("COMMIT")
