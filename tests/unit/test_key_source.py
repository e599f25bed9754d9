"""The source of the master key: the environment, the file it names, or the default file."""

from pathlib import Path

import pytest

from registry.encryption.key_file import write_key_file
from registry.encryption.key_source import (
    FILE_VARIABLE,
    VARIABLE,
    default_key_file,
    load_keyring,
)
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.errors import MasterKeyMalformed, MasterKeyMissing

KEY = generate_master_key()
KEY_ID = MasterKeyring([KEY]).newest_id
pytestmark = pytest.mark.usefixtures("no_key_configured")


def test_without_any_key_the_error_says_how_to_get_one_and_none_is_made() -> None:
    """Pain 5: a run without a key must not make one."""
    with pytest.raises(MasterKeyMissing, match="no master key is configured") as missing:
        load_keyring()
    assert "generate-key --save" in (missing.value.hint or "")
    assert not default_key_file().exists()


def test_the_environment_comes_first_then_its_file_then_the_default_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default, named, direct = (generate_master_key() for _ in range(3))
    write_key_file(default_key_file(), default)
    assert load_keyring().ids == MasterKeyring([default]).ids
    write_key_file(tmp_path / "named.key", named)
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "named.key"))
    assert load_keyring().ids == MasterKeyring([named]).ids
    monkeypatch.setenv(VARIABLE, direct.reveal())
    assert load_keyring().ids == MasterKeyring([direct]).ids


def test_a_named_file_that_is_missing_is_an_error_although_the_default_file_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_key_file(default_key_file(), KEY)
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(MasterKeyMissing) as missing:
        load_keyring()
    assert FILE_VARIABLE in (missing.value.hint or "")


def test_a_key_file_that_others_can_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_key_file(tmp_path / "master.key", KEY)
    (tmp_path / "master.key").chmod(0o644)
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "master.key"))
    with pytest.raises(MasterKeyMalformed, match="can be read by others"):
        load_keyring()


def test_a_blank_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    write_key_file(default_key_file(), KEY)
    monkeypatch.setenv(VARIABLE, "  ")
    monkeypatch.setenv(FILE_VARIABLE, "")
    assert load_keyring().ids == (KEY_ID,)


def test_an_empty_key_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "master.key"
    path.write_text("\n")
    path.chmod(0o600)
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    with pytest.raises(MasterKeyMalformed, match=f"the key file {path} is empty") as refused:
        load_keyring()
    assert "Put the key back" in str(refused.value.hint)
