"""The accepted names of accounts, exchanges and wallets."""

import pytest

from registry.errors import InvalidInput
from registry.values import (
    account_name,
    exchange_name,
    short_text,
    subaccount_index,
    wallet_address,
)


@pytest.mark.parametrize(
    "name", ["main_bot", "a", "Bot 7", "größe", "交易", "бот_v2", "x" * 255, "a-b.c/d"]
)
def test_a_visible_name_is_accepted_as_it_is(name: str) -> None:
    assert account_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "blank"),
        ("   ", "blank"),
        ("\u3000", "blank"),
        (" bot", "space"),
        ("bot ", "space"),
        ("bot\n", "space"),
        ("\u00a0bot", "space"),
        ("x" * 256, "255 characters at most, not 256"),
        ("a\nb", r"U\+000A"),
        ("a\x00b", r"U\+0000"),
        ("a\x7fb", r"U\+007F"),
        ("a\u200bb", r"U\+200B"),
        ("a\u202eb", r"U\+202E"),
        ("a\u2028b", r"U\+2028"),
        ("a\ud800b", r"U\+D800"),
        ("a\ue000b", r"U\+E000"),
        ("cafe\u0301", "NFC"),
        ("main\u00a0bot", r"the space U\+00A0"),
        ("main\u2003bot", r"the space U\+2003"),
        ("bot\ufe0f", r"U\+FE0F"),
        ("bot\U000e0100", r"U\+E0100"),
        ("b\u034fot", r"U\+034F"),
        ("\u3164", r"U\+3164"),
        ("\u2800", r"U\+2800"),
        ("main_b\u043et", r"'b\u043et' has Latin \(U\+0062\) and Cyrillic \(U\+043E\)"),
        ("\u0391ster", r"Greek \(U\+0391\) and Latin"),
    ],
)
def test_a_name_that_could_not_be_found_again_is_refused(name: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        account_name(name)


def test_a_padded_name_is_refused_with_the_name_that_would_do() -> None:
    with pytest.raises(InvalidInput) as refused:
        account_name(" bot ")
    assert refused.value.hint == "Try 'bot'."


def test_an_exchange_name_fits_its_column() -> None:
    assert exchange_name("x" * 50) == "x" * 50
    with pytest.raises(InvalidInput, match="50 characters at most, not 51"):
        exchange_name("x" * 51)
    with pytest.raises(InvalidInput, match="an exchange name cannot be blank"):
        exchange_name(" ")


def test_a_wallet_address_has_no_spaces_and_is_no_placeholder() -> None:
    assert wallet_address("0xA1b2") == "0xA1b2"
    with pytest.raises(InvalidInput, match="spaces"):
        wallet_address("0xA1 b2")
    with pytest.raises(InvalidInput, match="placeholder"):
        wallet_address("your_wallet_address_here")
    with pytest.raises(InvalidInput, match="blank"):
        wallet_address("")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (" \t", "blank"),
        ("x" * 256, "255 characters"),
        ("a\x1b[31m", r"U\+001B"),
        ("\ud800", "D800"),
    ],
)
def test_a_text_for_people_holds_nothing_that_a_terminal_would_obey(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=f"a label .*{why}"):
        short_text(text, "a label")


def test_a_text_for_people_may_have_several_lines() -> None:
    assert short_text("one\n\ttwo", "a description") == "one\n\ttwo"


@pytest.mark.parametrize("index", [-1, 2**31])
def test_a_subaccount_that_the_column_cannot_hold_is_refused(index: int) -> None:
    with pytest.raises(InvalidInput, match=f"not {index}"):
        subaccount_index(index)


@pytest.mark.parametrize("index", [0, 2**31 - 1])
def test_a_subaccount_that_the_column_can_hold_is_accepted(index: int) -> None:
    assert subaccount_index(index) == index
