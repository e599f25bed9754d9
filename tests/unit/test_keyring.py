"""The master keys: the newest wraps, each of them unwraps."""

import base64
import uuid

import pytest

from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.encryption.secret import Secret
from registry.errors import CannotDecrypt, MasterKeyMalformed, MasterKeyWrong

KEY = bytes(range(32))


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
    with pytest.raises(CannotDecrypt, match="damaged"):
        keyring.unwrap(key_id, damaged, keyring.newest_id)


def test_text_that_is_no_token_is_a_typed_error(keyring: MasterKeyring) -> None:
    for text in ("", "x", "ä"):
        with pytest.raises(CannotDecrypt, match="damaged"):
            keyring.unwrap(uuid.uuid4(), text, keyring.newest_id)


def test_a_token_of_the_wrong_size_is_no_key(keyring: MasterKeyring) -> None:
    key_id = uuid.uuid4()
    with pytest.raises(CannotDecrypt, match="belongs to something else"):
        keyring.unwrap(key_id, keyring.wrap(key_id, b"short"), keyring.newest_id)


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


# A fixed one: the names of tests must be the same in every worker.
_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()


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
        _KEY + ",oops",
        _KEY + _KEY,
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(MasterKeyMalformed) as malformed:
        MasterKeyring.parse(Secret(text))
    for part in filter(None, text.replace(",", " ").split()):
        assert part not in malformed.value.message


def test_the_place_of_a_bad_key_in_the_ring_is_said() -> None:
    with pytest.raises(MasterKeyMalformed, match="master key 2 is not a Fernet key"):
        MasterKeyring.parse(Secret(f"{generate_master_key().reveal()},oops"))


def test_keys_may_stand_on_lines_of_their_own() -> None:
    keys = [generate_master_key().reveal() for _ in range(3)]
    assert len(MasterKeyring.parse(Secret("\n".join(keys) + "\n")).ids) == 3


def test_a_ring_prints_ids_and_no_keys() -> None:
    key = generate_master_key()
    assert repr(MasterKeyring([key])) == f"MasterKeyring({MasterKeyring([key]).newest_id})"
    assert key.reveal() not in repr(MasterKeyring([key]))


def test_every_generated_key_is_another_one() -> None:
    assert len({generate_master_key().reveal() for _ in range(50)}) == 50
