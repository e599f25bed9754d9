"""`check-credential`, as it is typed: what is shown, and the exit codes."""

import json
import sys
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
    assert "the key ends on 2036-05-15, the registry says no expiry" in result.out
    assert "update-credential bot bybit --expires-at 2036-05-15T03:21:05Z" in result.err
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
        (["bot"], 3, "no such credential of its own to check"),
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


# ---------------------------------------------------------------- before it is stored


def stored(bot: CommandLine) -> list[str]:
    return [row["exchange"] for row in bot("list-credentials", "bot", "--json").data]


def test_a_key_that_works_is_stored_and_what_differs_is_said(bot: CommandLine) -> None:
    with configured(bot, "bybit", answering("bybit")) as file:
        result = store(bot, "bybit", "--check", "--client-config", file)
    assert result.exit_status == 0, result.err
    assert stored(bot) == ["bybit"]
    assert "Note: the key ends on 2036-05-15, the registry says no expiry" in result.err
    assert "Note: the key may withdraw" in result.err


@pytest.mark.parametrize(
    ("reply", "exit_status", "says"),
    [
        (Reply(401, {"code": "50113", "msg": "Invalid Sign"}), 5, "does not work, wrong key"),
        (Reply(401, {"code": "50110", "msg": "not in the whitelist"}), 5, "address not allowed"),
        (Reply(503, "<html>"), 7, "could not be checked, server error"),
        (Reply(200, "<html>"), 7, "could not be checked, HTML answer"),
    ],
)
def test_a_key_that_does_not_work_is_not_stored(
    bot: CommandLine, reply: Reply, exit_status: int, says: str
) -> None:
    with configured(bot, "okx", lambda _: reply) as file:
        result = store(bot, "okx", "--check", "--client-config", file)
    assert result.exit_status == exit_status
    assert says in result.err
    assert "nothing was stored" in result.err
    assert "leave out --check" in result.err
    assert len(result.err.splitlines()) == 2
    assert stored(bot) == []


def test_a_replacement_is_checked_and_compared_with_what_is_known(bot: CommandLine) -> None:
    store(bot, "okx", "--exchange-account", "1")
    other = json.dumps({**KEYS["okx"], "secret_key": "wrong-secret-8"})
    with configured(bot, "okx", answering("okx")) as file:
        given = ("replace-credential", "bot", "okx", "--from-json", "-")
        how = ("--check", "--client-config", file)
        assert bot(*given, *how, stdin=other).exit_status == 5
        assert bot("list-credentials", "bot", "--json").data[0]["version"] == 1
        result = bot(*given, *how, stdin=json.dumps({**KEYS["okx"], "api_key": "okx-key8"}))
    assert result.exit_status == 0, result.err
    assert "the exchange's account 44705892, the registry says 1" in result.err


def test_whatever_else_is_wrong_is_said_before_an_exchange_is_asked(bot: CommandLine) -> None:
    store(bot, "okx")
    with serving("okx", answering("okx")) as server:
        file = bot.file("clients.json", json.dumps({"okx": server.config()}))
        result = store(bot, "okx", "--check", "--client-config", file)
        assert (result.exit_status, server.requests) == (4, [])


def test_a_key_without_a_client_cannot_be_checked(bot: CommandLine) -> None:
    result = bot.store("bot", "edgex", "--check")
    assert (result.exit_status, stored(bot)) == (5, [])
    assert "could not be checked, not checkable: there is no ccxt client for edgex" in result.err


def test_settings_of_a_client_without_a_check_are_refused(bot: CommandLine) -> None:
    file = bot.file("clients.json", "{}")
    result = store(bot, "okx", "--client-config", file)
    assert (result.exit_status, stored(bot)) == (2, [])


def test_without_ccxt_the_way_to_install_it_is_said(
    bot: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(bot, "okx")
    for module in ("ccxt", "ccxt.async_support"):
        monkeypatch.setitem(sys.modules, module, None)
    for words in (("check-credential", "bot"), ("check-credential", "--all")):
        result = bot(*words)
        assert (result.exit_status, result.out) == (1, "")
        assert f"pip --python {sys.prefix} install ccxt" in result.err
    assert bot("history", "bot", "--type", "CredentialReleased", "--json").data == []
    rotated = bot("rotate-credential", "bot", "okx", "--activate")
    assert "install ccxt; without asking, add --no-check.\n" in rotated.err
