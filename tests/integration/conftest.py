"""Fixtures that several modules of integration tests share."""

from collections.abc import Iterator

import pytest
from support.trading import Trader
from support.world import World


@pytest.fixture
def trader(world: World, database_url: str) -> Iterator[Trader]:
    """A bot that has no credentials yet."""
    made = Trader(world, database_url)
    yield made
    made.close()
