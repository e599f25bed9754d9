"""Fixtures for the tests of the command line."""

import pytest
from support.cli import CommandLine


@pytest.fixture
def bot(cli: CommandLine) -> CommandLine:
    """The command line, with an account `bot` made already."""
    assert cli("create-account", "bot").exit_status == 0
    return cli
