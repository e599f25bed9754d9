"""What a shell completes."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import CommandLine

PROJECT = Path(__file__).resolve().parents[2]


def completed(cli: CommandLine, *words: str, **environment: str) -> list[str]:
    """What bash offers for the last word."""
    done = subprocess.run(
        [sys.executable, "-m", "registry.commands"],
        env={
            **cli.environment,
            **environment,
            "_ACCOUNT_REGISTRY_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(["account-registry", *words]),
            "COMP_CWORD": str(len(words)),
        },
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["list-acc"], ["list-accounts", "list-access"]),
        (["show-account", "b"], ["bot"]),
        (["share", "b"], ["bot"]),
        (["list-positions", "--account", "b"], ["bot"]),
        (["add-credential", "bot", "as"], ["aster"]),
        (["add-credential", "bot", "krak"], ["kraken", "krakenfutures"]),
        (["run", "--account", "b"], ["bot"]),
        (["runbot", "--account", "b"], ["bot"]),
        (["remove-bot", "b"], ["bot"]),
        (["prove", "b"], ["bot", "backpack"]),
        (["stop", "--credential", "bo"], ["bot"]),
        (["stop", "--credential", "bot", "as"], ["aster"]),
        (["resume", ""], ["2"]),
        (["history", "--exchange", "par"], ["paradex"]),
        (
            ["history", "--type", "AccountR"],
            ["AccountRenamed", "AccountReactivated", "AccountRestored"],
        ),
        (["list-credentials", "--permission", "r"], ["read_only"]),
        (["list-shares", "--type", "p"], ["positions_only"]),
        (["list-credentials", "--subaccount", "7"], ["7"]),
        (["list-accounts", "--sort", "c"], ["credentials", "created"]),
        (["list-shares", "--sort", "l"], ["lender"]),
    ],
    ids=" ".join,
)
def test_names_are_completed(bot: CommandLine, words: list[str], offered: list[str]) -> None:
    bot.store("bot", "aster", "--subaccount", "7")
    bot("stop", "--account", "bot", "--yes", "--reason", "test")
    assert set(completed(bot, *words)) == set(offered)


def test_a_name_that_a_shell_would_obey_is_not_offered(cli: CommandLine) -> None:
    for name in ("safe", "also safe", "(beta)"):
        assert cli("create-account", name).exit_status == 0
    assert completed(cli, "show-account", "") == ["safe"]
    assert completed(cli, "show-account", "a") == []


@pytest.mark.parametrize("address", ["", "nonsense", "postgresql://u:secret@127.0.0.1:1/none"])
def test_without_a_database_a_completion_is_silent_and_starts_none(
    cli: CommandLine, address: str
) -> None:
    assert completed(cli, "show-account", "b", DATABASE_URL=address) == []
    assert "aster" in completed(cli, "history", "--exchange", "a", DATABASE_URL=address)
    assert not (cli.folder / "data").exists()
