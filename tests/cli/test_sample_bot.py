"""One bot, started by `run` and with the loader, under a login role of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.bots import LoginRole, login_role
from support.cli import CommandLine

ROOT = Path(__file__).resolve().parents[2]
BOT = str(ROOT / "tests" / "support" / "sample_bot.py")
BACKPACK = {"public_key": "pub-1", "secret_key": "sec-1"}


@pytest.fixture
def role(cli: CommandLine, database_url: str) -> Iterator[LoginRole]:
    """A login role that was given the account main_bot."""
    cli("create-account", "main_bot", "--metadata", '{"max_positions": 1}')
    cli("add-credential", "main_bot", "backpack", "--from-json", "-", stdin=json.dumps(BACKPACK))
    with login_role(database_url) as login:
        assert cli("grant-access", "main_bot", "--role", login.name).exit_status == 0
        yield login


def test_the_bot_runs_with_what_run_gives_it(cli: CommandLine, role: LoginRole) -> None:
    environment: dict[str, Any] = {"DATABASE_URL": role.address, "PYTHONPATH": str(ROOT)}
    for options, position in (((), "not traded"), (("--pass-env", "DATABASE_URL"), "closed")):
        done = cli.process(
            *("run", "--account", "main_bot", *options, "--", sys.executable, BOT), **environment
        )
        assert done.exit_status == 0, done.err
        assert json.loads(done.out) == {
            "account": "main_bot",
            "credentials": {"backpack": BACKPACK},
            "position": position,
        }


def test_the_same_bot_runs_with_the_loader(cli: CommandLine, role: LoginRole) -> None:
    done = subprocess.run(
        [sys.executable, BOT, "--loader", "main_bot"],
        env={**cli.environment, "DATABASE_URL": role.address, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["position"] == "closed"
    assert told["credentials"] == {"backpack": {"secret_key": "sec-1", "public_key": "pub-1"}}
    (released,) = cli("history", "--type", "CredentialReleased", "--json").data
    assert (released["recorded_by"], released["data"]["purpose"]) == (role.name, "sample bot")
