"""A borrowing bot, and a program that shows the input it got from `run`."""

import json
import sys
from typing import Any

from support.cli import CommandLine

BACKPACK = '{"public_key": "pub-1", "secret_key": "sec-1"}'
LIGHTER = '{"private_key": "it\'s \\"$HOME\\" \\\\ 1", "account_index": 1}'
SHOW = "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]]))"


def borrowing_bot(cli: CommandLine) -> CommandLine:
    """An account `bot` that borrows Backpack from `lender`, and has Lighter itself."""
    for account in ("lender", "bot"):
        cli("create-account", account)
    cli("add-credential", "lender", "backpack", "--from-json", "-", stdin=BACKPACK)
    cli("add-credential", "bot", "lighter", "--from-json", "-", stdin=LIGHTER)
    assert cli("share", "bot", "lender", "backpack").exit_status == 0
    return cli


def run(cli: CommandLine, *arguments: str, **environment: Any) -> Any:
    """The environment and the arguments that a program gets."""
    result = cli.process("run", "--account", "bot", *arguments, **environment)
    assert result.exit_status == 0, result.err
    return json.loads(result.out)


def show(*arguments: str) -> tuple[str, ...]:
    """The command that prints its environment and arguments."""
    return ("--", sys.executable, "-c", SHOW, *arguments)
