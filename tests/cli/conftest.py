"""What the tests of the command line start from."""

import datetime as dt

import pytest
from freezegun import freeze_time
from support.cli import CommandLine


@pytest.fixture
def bot(cli: CommandLine) -> CommandLine:
    """The command line, with an account `bot` made already."""
    assert cli("create-account", "bot").exit_status == 0
    return cli


@pytest.fixture
def five_days(cli: CommandLine) -> CommandLine:
    """A registry with a history of five days."""
    steps: list[tuple[str, ...]] = [
        ("create-account", "bot", "--actor", "ops", "--reason", "first"),
        ("create-account", "other"),
        ("update-account", "bot", "--description", "x"),
    ]
    for day, step in enumerate(steps, start=1):
        with freeze_time(dt.datetime(2030, 1, day, tzinfo=dt.UTC)):
            assert cli(*step).exit_status == 0
    with freeze_time(dt.datetime(2030, 1, 4, tzinfo=dt.UTC)):
        cli.store("bot", "aster", "--label", "main")
    with freeze_time(dt.datetime(2030, 1, 5, tzinfo=dt.UTC)):
        cli("update-credential", "bot", "aster", "--label", "new")
    return cli
