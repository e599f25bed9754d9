"""Texts that look like a private key, and texts that only resemble one."""

import pytest

from registry.errors import InvalidInput
from registry.shapes import is_phrase, key_shape, refuse_key, refuse_keys_within

KEY = "9f3a" * 16
PHRASE = "abandon ability able about above absent absorb abstract absurd abuse access accident"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"

CLEAR = [KEY, f"0x{KEY}", KEY.upper(), f" 0x{KEY}\n", f"the key is 0x{KEY}.", PEM, PHRASE]


@pytest.mark.parametrize("text", CLEAR)
def test_a_private_key_is_refused_among_plain_texts_and_not_shown(text: str) -> None:
    with pytest.raises(InvalidInput, match="the label is kept in plain text") as refused:
        refuse_key(text, "the label")
    assert KEY[:8] not in f"{refused.value.message}{refused.value.hint}".lower()
    assert "abandon" not in refused.value.message
    with pytest.raises(InvalidInput):
        refuse_keys_within({"a": [1, {"b": text}]}, "metadata")
    with pytest.raises(InvalidInput):
        refuse_keys_within({text: 1}, "metadata")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x" + "a1" * 20,  # an address
        f"tx {KEY}",  # a hash beside what it is
        f"0x{KEY}ab",  # longer than a key
        "0x" + "04" + "a1" * 30,  # an address of Starknet
        "moved the positions and the keys for lighter from the old bot to this one today",
        "-----BEGIN CERTIFICATE-----",
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_other_texts_are_none(text: str) -> None:
    refuse_key(text, "the label")


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (KEY, "64 hexadecimal digits"),
        (f"0x{KEY}", "64 hexadecimal digits"),
        (f"0x{KEY[:-1]}", "63 hexadecimal digits"),
        (KEY + KEY[:16], "80 hexadecimal digits"),
        ("5" * 88, "88 hexadecimal digits"),
        ("z" * 88, "88 characters in base 58"),
        (PEM, "a private key in PEM form"),
        (PHRASE, "a seed phrase"),
    ],
)
def test_where_an_address_belongs_all_that_may_be_a_key_is_one(text: str, shape: str) -> None:
    assert key_shape(text) == shape


@pytest.mark.parametrize(
    "address",
    [
        "0x" + "a1" * 20,
        "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU",  # Solana
        "cosmos1fl48vsnmsdzcv85q5d2q4z5ajdha8yu34mf0eh",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    ],
)
def test_addresses_are_no_keys(address: str) -> None:
    assert key_shape(address) is None


def test_a_phrase_has_the_words_and_their_number() -> None:
    assert is_phrase(PHRASE)
    assert is_phrase(f"{PHRASE} {PHRASE}")
    assert not is_phrase(PHRASE.rsplit(" ", 1)[0])
    assert not is_phrase(PHRASE.replace("able", "the"))
    assert not is_phrase(PHRASE.capitalize())
