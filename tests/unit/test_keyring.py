"""The master keys: the newest wraps, each of them unwraps."""

import base64
import uuid

import pytest
from cryptography.fernet import Fernet

from registry.encryption.keyring import MasterKeyring, generate_master_key, looks_like_token
from registry.encryption.secret import Secret
from registry.errors import CannotDecrypt, MasterKeyMalformed, MasterKeyWrong

KEY = bytes(range(32))
VALID = base64.urlsafe_b64encode(bytes(range(32, 64))).decode()


def test_a_wrapped_key_is_unwrapped_by_the_same_ring(keyring: MasterKeyring) -> None:
    key_id = uuid.uuid4()
    wrapped = keyring.wrap(key_id, KEY)
    assert keyring.unwrap(key_id, wrapped, keyring.newest_id) == KEY
    assert KEY.hex() not in wrapped


def test_a_key_that_was_moved_to_another_row_does_not_unwrap(keyring: MasterKeyring) -> None:
    wrapped = keyring.wrap(uuid.uuid4(), KEY)
    with pytest.raises(CannotDecrypt, match="belongs to something else"):
        keyring.unwrap(uuid.uuid4(), wrapped, keyring.newest_id)


def test_a_damaged_key_does_not_unwrap(keyring: MasterKeyring) -> None:
    key_id = uuid.uuid4()
    wrapped = keyring.wrap(key_id, KEY)
    damaged = wrapped[:30] + ("A" if wrapped[30] != "A" else "B") + wrapped[31:]
    with pytest.raises(CannotDecrypt, match="damaged") as refused:
        keyring.unwrap(key_id, damaged, keyring.newest_id)
    assert refused.value.hint == "Restore it from a backup."


def test_text_that_is_no_token_is_a_typed_error(keyring: MasterKeyring) -> None:
    for text in ("", "x", "ä"):
        with pytest.raises(CannotDecrypt, match="damaged"):
            keyring.unwrap(uuid.uuid4(), text, keyring.newest_id)


def test_a_token_of_the_wrong_size_is_no_key(keyring: MasterKeyring) -> None:
    key_id = uuid.uuid4()
    with pytest.raises(CannotDecrypt, match="belongs to something else") as refused:
        keyring.unwrap(key_id, keyring.wrap(key_id, b"short"), keyring.newest_id)
    assert "look into the backups" in str(refused.value.hint)


def test_an_older_key_of_the_ring_unwraps_and_the_newest_wraps() -> None:
    old, new = generate_master_key(), generate_master_key()
    key_id = uuid.uuid4()
    before = MasterKeyring([old])
    after = MasterKeyring.parse(Secret(f"{new.reveal()}, {old.reveal()}"))
    wrapped = before.wrap(key_id, KEY)
    assert after.newest_id != before.newest_id
    assert after.ids == (after.newest_id, before.newest_id)
    assert after.unwrap(key_id, wrapped, before.newest_id) == KEY
    again = after.wrap(key_id, KEY)
    with pytest.raises(CannotDecrypt):
        before.unwrap(key_id, again, before.newest_id)


def test_a_key_that_is_not_in_the_ring_is_named_by_its_id_only() -> None:
    first, second = MasterKeyring([generate_master_key()]), MasterKeyring([generate_master_key()])
    key_id = uuid.uuid4()
    wrapped = first.wrap(key_id, KEY)
    with pytest.raises(MasterKeyWrong) as wrong:
        second.unwrap(key_id, wrapped, first.newest_id)
    assert first.newest_id in wrong.value.message
    assert second.newest_id in wrong.value.message
    assert "CREDENTIAL_ENCRYPTION_KEY" in (wrong.value.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ,",
        "short",
        "!" * 44,
        base64.urlsafe_b64encode(b"x" * 31).decode(),
        base64.urlsafe_b64encode(b"x" * 33).decode(),
        "ä" * 44,
        f"{VALID},oops",
        VALID + VALID,
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(MasterKeyMalformed, match="master key") as malformed:
        MasterKeyring.parse(Secret(text))
    assert "there is no" in malformed.value.message or "generate-key" in str(malformed.value.hint)
    for part in filter(None, text.replace(",", " ").split()):
        assert part not in malformed.value.message


def test_the_place_of_a_bad_key_in_the_ring_is_said() -> None:
    with pytest.raises(MasterKeyMalformed, match="master key 2 is not a Fernet key"):
        MasterKeyring.parse(Secret(f"{generate_master_key().reveal()},oops"))


def test_keys_may_stand_on_lines_of_their_own() -> None:
    keys = [generate_master_key().reveal() for _ in range(3)]
    assert len(MasterKeyring.parse(Secret("\n".join(keys) + "\n")).ids) == 3


def test_a_token_from_before_the_registry_opens_with_any_key_of_the_ring() -> None:
    keys = [generate_master_key() for _ in range(3)]
    sealed = Fernet(keys[2].reveal()).encrypt("s\u00e9cret".encode()).decode()
    assert MasterKeyring(keys).open_bare(sealed) == Secret("s\u00e9cret")
    assert MasterKeyring(keys[:2]).open_bare(sealed) is None
    no_text = Fernet(keys[0].reveal()).encrypt(b"\xff").decode()
    for text in ("", "x", "\u00e4", sealed[:-4], no_text):
        assert MasterKeyring(keys).open_bare(text) is None


def token(size: int, version: int = 0x80) -> str:
    """A text of the form of a token with so many bytes of ciphertext."""
    return base64.urlsafe_b64encode(bytes([version, *bytes(8 + 16 + size + 32)])).decode()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        pytest.param(Fernet(VALID).encrypt(b"text").decode(), True, id="of the library"),
        (token(16), True),
        (token(32), True),
        (token(0), False),
        (token(1), False),
        (token(17), False),
        (token(16, version=0x81), False),
        (token(17, version=0x81), False),
        (token(16)[:-1], False),
        (token(16).replace("A", "!", 1), False),
        (f"{token(16)[:4]}!{token(16)[4:]}", False),
        (token(16) + "\u00e4", False),
        ("plain text", False),
        ("", False),
    ],
)
def test_a_token_is_told_from_a_plain_text_by_its_form(text: str, is_one: bool) -> None:
    assert looks_like_token(text) is is_one


def test_a_ring_prints_ids_and_no_keys() -> None:
    key = generate_master_key()
    assert repr(MasterKeyring([key])) == f"MasterKeyring({MasterKeyring([key]).newest_id})"
    assert key.reveal() not in repr(MasterKeyring([key]))


def test_every_generated_key_is_another_one() -> None:
    assert len({generate_master_key().reveal() for _ in range(50)}) == 50
