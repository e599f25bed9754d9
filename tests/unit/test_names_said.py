"""The account of a file, by its name or a name in its content."""

from pathlib import Path

import pytest

from registry.errors import OtherAccountNamed
from registry.services.importing.names import (
    NameSaid,
    refuse_names,
    said_by_path,
    said_by_values,
)

EXISTING = ["main_bot", "Alice", "bot_012"]
EXCHANGES = ["lighter", "aster"]


def refusal(account: str, said: list[NameSaid]) -> str | None:
    try:
        refuse_names(account, said, EXISTING, EXCHANGES)
    except OtherAccountNamed as refused:
        return refused.message
    return None


@pytest.mark.parametrize(
    ("file", "account"),
    [
        (".env.bot_011", "bot_012"),
        (".env-bot_011", "bot_012"),
        ("bot_011.env", "bot_012"),
        ("main_bot.env", "bot_012"),
        ("alice.env", "bot_012"),
        (".env.nobody", "bot_012"),
        (".env.test_bot", "bot_012"),
        (".env.prod2", "bot_012"),
        (".env.bot_011.bak", "bot_012"),
        ("bot_011.env.old", "bot_012"),
        ("acc1.env", "acc2"),
        ("bot-11.json", "bot-12"),
    ],
)
def test_a_file_that_is_named_for_another_account_is_refused(file: str, account: str) -> None:
    message = refusal(account, said_by_path(Path("/some/folder") / file))
    assert message is not None
    assert message.startswith(f"{file} names the account ")
    assert message.endswith(f", not {account}")


@pytest.mark.parametrize(
    ("file", "account"),
    [
        (".env", "bot_012"),
        (".env.bot_012", "bot_012"),
        (".env.Bot-012", "bot_012"),
        ("bot_012.env", "bot_012"),
        (".env.bot_012.bak", "bot_012"),
        (".env.production", "bot_012"),
        (".env.test.local", "bot_012"),
        (".env.example", "bot_012"),
        (".env.lighter", "bot_012"),
        (".env.lighter.testnet", "bot_012"),
        (".env.bot", "bot_012"),
        ("lighter.env", "bot_012"),
        ("secrets.env", "bot_012"),
        ("strategy.env", "bot_012"),
        ("config.json", "bot_012"),
        ("api-keys.json", "bot_012"),
        ("acc.env", "acc2"),
        ("-", "bot_012"),
    ],
)
def test_a_file_of_another_kind_of_name_is_read(file: str, account: str) -> None:
    assert refusal(account, said_by_path(Path("/main_bot") / file)) is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ACCOUNT_NAME", "bot_011"),
        ("ACCOUNT_NAME", "somebody"),
        ("account_name", "main_bot"),
        ("ACCOUNT", "bot_011"),
        ("REGISTRY_ACCOUNT", "other"),
        ("TRADING_ACCOUNT_NAME", "other"),
        ("BOT_NAME", "main_bot"),
        ("BOT_NAME", "bot_013"),
        ("BOT", " bot_011 "),
    ],
)
def test_a_variable_that_names_another_account_is_refused(variable: str, value: str) -> None:
    message = refusal("bot_012", list(said_by_values({variable: value}, "x.env")))
    assert message is not None
    assert message.startswith(f"{variable} in x.env names ")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ACCOUNT_NAME", "bot_012"),
        ("ACCOUNT_NAME", "BOT-012"),
        ("ACCOUNT_NAME", ""),
        ("ACCOUNT_NAME", "MAIN"),
        ("ACCOUNT_NAME", "your_account_name"),
        ("ACCOUNT_NAME", "prod"),
        ("ACCOUNT", "0x00000000000000000000000000000000000000C3"),
        ("ACCOUNT", "281474976710656"),
        ("ACCOUNT", "ann@example.com"),
        ("BOT_NAME", "FundingBot"),
        ("SUB_ACCOUNT", "grid"),
        ("LIGHTER_ACCOUNT", "bot_011"),
        ("ACCOUNT_TYPE", "unified"),
        ("STRATEGY", "bot_011"),
    ],
)
def test_a_variable_that_says_something_else_is_no_matter(variable: str, value: str) -> None:
    assert refusal("bot_012", list(said_by_values({variable: value}, "x.env"))) is None


def test_a_name_in_a_file_is_shown_only_if_it_is_an_account_s() -> None:
    said = list(said_by_values({"ACCOUNT_NAME": "hunterTwo"}, "x.env"))
    assert refusal("bot_012", said) == "ACCOUNT_NAME in x.env names another account, not bot_012"
    said = list(said_by_values({"ACCOUNT_NAME": "main_bot"}, "x.env"))
    assert "names the account main_bot" in (refusal("bot_012", said) or "")
