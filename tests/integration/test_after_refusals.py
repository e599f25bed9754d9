"""One connection still works after many refused commands."""

import pytest

from registry import Registry
from registry.database.opening import SingleConnection
from registry.errors import AccountExists
from registry.execution.executor import Invocation

OFTEN = 12
"""More often than a statement runs before the driver prepares it."""


def test_a_name_that_is_taken_again_and_again_breaks_nothing(
    database: SingleConnection, invocation: Invocation
) -> None:
    service = Registry(database).accounts
    service.create("bot")
    for _ in range(OFTEN):
        with pytest.raises(AccountExists):
            service.create("bot")
    for number in range(OFTEN):
        name = f"bot-{number}"
        assert service.create(name).changed
        assert service.update(name, description="x").changed
