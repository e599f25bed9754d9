"""The texts that may be repeated: names and paths, and nothing that could be a secret."""

import base64
import random
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.commands import _given
from registry.shown import NOT_SHOWN, is_secret, secret_parts, shown

NAMES = [
    "main_bto",
    "bot_011",
    "funding_arb_bot_2024_main",
    "mainBotAsterV2",
    "ethUsdtGridBot01",
    "eth2usdt10x3",
    "Ann's bot {new}",
    "bot-7d9f8b6c5d-x2k4p",
    "registry_test_1a2b3c4d5e6f",
    "ann@ip-172-31-45-211",
    "4f2a1b3c-1111-4222-8333-0123456789ab",
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "/nowhere/home/ann/bots/production/2024/main_bot.env",
    "2026-01-31T12:00:00.123456+02:00",
    "203.0.113.0/24",
    "CredentialReplacd",
    "api_key=BINANCE_API_KEY",
    "uid=BINANCE_UID:public",
    '{"max_positions": 10}',
    "registry.example.com/main+6d3a1f0e+AQ9zLk3xW7vB1nK5yRc8HsDf2GjPm4TaEuXoQiYw6VbN",
    "the key may have leaked, so it is replaced",
    "move the key of the shared account to the new one since kyc asks for it",
    "9" * 40,
    "x" * 256,
]


@pytest.mark.parametrize("name", NAMES)
def test_names_paths_and_texts_are_shown(name: str) -> None:
    assert shown(name) == name
    assert not is_secret(name)


def _some(alphabet: str, length: int) -> Callable[[random.Random], str]:
    return lambda source: "".join(source.choices(alphabet, k=length))


LETTERS_AND_DIGITS = string.ascii_letters + string.digits
KEYS: dict[str, Callable[[random.Random], str]] = {
    "Fernet": lambda source: base64.urlsafe_b64encode(source.randbytes(32)).decode(),
    "base64": lambda source: base64.b64encode(source.randbytes(64)).decode(),
    "hex": lambda source: source.randbytes(32).hex(),
    "0x": lambda source: f"0x{source.randbytes(32).hex()}",
    "MD5": lambda source: source.randbytes(16).hex(),
    "letters and digits": _some(LETTERS_AND_DIGITS, 64),
    "Solana": _some("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 88),
}


def a_key(form: str) -> str:
    """A made-up key, the same in each run."""
    return KEYS[form](random.Random(form))  # noqa: S311


@pytest.mark.parametrize("form", KEYS)
def test_random_keys_of_every_form_are_not_shown_and_not_kept(form: str) -> None:
    source = random.Random(form)  # noqa: S311 - made-up keys, the same in each run
    for _ in range(300):
        key = KEYS[form](source)
        assert shown(key) == NOT_SHOWN, key
        assert shown(f"/nowhere/{key}") == NOT_SHOWN, key
        assert is_secret(f" {key}\n"), key


@pytest.mark.parametrize(
    "text",
    [
        "A=b",
        "export LIGHTER_X=b",
        '{"api_key":"X"}',
        "{'privateKey': 'X'}",
        "api-key=hunter2",
        "password: hunter2",
        "postgresql://ann:hunter2@db/bots",
        "-----BEGIN PRIVATE KEY-----\nMC4C",
        "abandon ability able about above absent absorb abstract absurd abuse access accident",
    ],
)
def test_what_says_that_it_is_secret_is_not_shown_however_short(text: str) -> None:
    assert shown(text) == NOT_SHOWN


def test_an_address_may_be_a_name_but_is_not_shown_where_it_is_none() -> None:
    solana = "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU"
    cosmos = "cosmos1vladkqw8c5n0u6x3kxmcyfs0p8s9n2gjhtm9ze"
    for address in (solana, cosmos):
        assert shown(address) == NOT_SHOWN
        assert not is_secret(address)


def test_the_name_of_a_file_may_look_like_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = a_key("hex")
    monkeypatch.chdir(tmp_path)
    for path in (f"./{key}", f"{tmp_path}/{key}", f"{tmp_path}/not/there/bot.env"):
        assert shown(path) == path
    assert shown(key) == shown(f"{tmp_path}/not/{key}") == NOT_SHOWN
    (tmp_path / key).touch()
    assert shown(key) == key


def test_half_of_what_was_given_is_not_said_either() -> None:
    key = a_key("hex")
    _given.remember(["show-account", f"--as-of={key}", "main_bot"])
    said = f"account main_bot: {key[:20]!r}… of --as-of is no time"
    assert _given.without_secrets(said) == f"account main_bot: '{NOT_SHOWN}'… of --as-of is no time"


def test_a_short_secret_is_taken_out_as_a_whole_word() -> None:
    _given.remember(["--env-file", "PIN=run"])
    assert _given.without_secrets("PIN=run: run, but not running") == (
        f"PIN={NOT_SHOWN}: {NOT_SHOWN}, but not running"
    )


@pytest.mark.parametrize("key", ["JBSWY3DPEHPK3PXP====", "PASS=A_B=JBSWY3DPEHPK3PXP"])
def test_a_secret_that_looks_like_an_assignment_is_taken_out(key: str) -> None:
    _given.remember([key])
    assert "JBSWY3DPEHPK3PXP" not in _given.without_secrets(f"it was {key}")


def test_a_text_around_a_secret_stays() -> None:
    key = a_key("Fernet")
    assert secret_parts(f"it was {key}, I think") == [key, key]
    assert not is_secret(f"it was {key}, I think")
