"""`check-credential`, as it is typed: what is shown, and the exit codes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.cli import CommandLine, Result
from support.exchange_server import Answer, Reply, serving
from support.key_answers import KEYS, answering

pytest.importorskip("ccxt")


@contextmanager
def configured(bot: CommandLine, exchange: str, answer: Answer) -> Iterator[str]:
    """A file that directs the exchange's client to a server."""
    with serving(exchange, answer) as server:
        server.trading = True
        file = bot.folder / "clients.json"
        file.write_text(json.dumps({exchange: server.config()}))
        yield str(file)


def check(bot: CommandLine, exchange: str, answer: Answer, *options: str) -> Result:
    with configured(bot, exchange, answer) as file:
        return bot("check-credential", "bot", "--client-config", file, *options)


def store(bot: CommandLine, exchange: str, *options: str) -> Result:
    fields = json.dumps(KEYS[exchange])
    return bot("add-credential", "bot", exchange, "--from-json", "-", *options, stdin=fields)


def test_a_key_that_is_as_the_registry_says_ends_with_0(bot: CommandLine) -> None:
    store(bot, "okx")
    result = check(bot, "okx", answering("okx"))
    assert result.exit_status == 0, result.err
    head, row = (line.split("\t") for line in result.out.splitlines())
    shown = dict(zip(head, row, strict=True))
    assert (shown["result"], shown["may"], shown["differs"]) == ("valid", "read, trade", "-")


def test_a_difference_ends_with_6_and_says_how_to_correct_it(bot: CommandLine) -> None:
    store(bot, "bybit")
    result = check(bot, "bybit", answering("bybit"))
    assert result.exit_status == 6
    assert "the key ends on 2027-05-15, the registry says no expiry" in result.out
    assert "update-credential bot bybit --expires-at 2027-05-15T03:21:05Z" in result.err
    command = result.err.partition("account-registry ")[2].split()
    assert bot(*command).exit_status == 0
    assert check(bot, "bybit", answering("bybit")).exit_status == 0


def test_a_dead_key_ends_with_6_and_no_answer_with_7(bot: CommandLine) -> None:
    store(bot, "okx")
    expired = {"code": "50119", "msg": "API key doesn't exist"}
    assert check(bot, "okx", lambda _: Reply(401, expired)).exit_status == 6
    result = check(bot, "okx", lambda _: Reply(502, "<html>"), "--json")
    assert result.exit_status == 7
    assert [found["outcome"] for found in result.data] == ["server_error"]


def test_a_recorded_check_is_in_the_lists_and_in_the_history(bot: CommandLine) -> None:
    store(bot, "bybit")
    check(bot, "bybit", answering("bybit"), "--record")
    assert "valid on 2" in bot("list-credentials", "bot").out
    assert "valid on 2" in bot("show-account", "bot").out
    told = bot("history", "bot", "--type", "CredentialChecked").out
    assert "checked bybit version 1: valid, may read and trade and withdraw" in told


@pytest.mark.parametrize(
    ("words", "exit_status", "says"),
    [
        ([], 2, "name an account, or say --all"),
        (["bot", "--all"], 2, "--all takes no account"),
        (["nobody"], 3, "there is no account nobody"),
        (["bot", "nowhere"], 3, "nowhere"),
        (["bot"], 3, "there is no such credential"),
        (["bot", "--client-config", "/nowhere.json"], 2, "/nowhere.json"),
        (["--all", "--subaccount", "x"], 2, "--subaccount"),
    ],
)
def test_misuse_is_said(bot: CommandLine, words: list[str], exit_status: int, says: str) -> None:
    result = bot("check-credential", *words)
    assert result.exit_status == exit_status
    assert says in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    "content",
    ["", "[]", "7", '{"okx": 7}', '{"nowhere": {}}', '{"okx": {"apiKey": "x"}}', "\udcff"],
)
def test_settings_that_no_client_takes_are_refused(
    bot: CommandLine, tmp_path: Path, content: str
) -> None:
    store(bot, "okx")
    file = tmp_path / "clients.json"
    file.write_text(content, errors="surrogateescape")
    result = bot("check-credential", "bot", "--client-config", str(file))
    assert result.exit_status == 2
    assert len(result.err.splitlines()) <= 2
    assert bot("history", "bot", "--type", "CredentialReleased", "--json").data == []


def test_no_credentials_at_all_are_no_error(cli: CommandLine) -> None:
    result = cli("check-credential", "--all")
    assert (result.exit_status, result.err) == (0, "There are no credentials to check.\n")
