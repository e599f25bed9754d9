"""Threat: Exposed key file.

A key file that other users can read or replace.
"""

import os
import stat
from pathlib import Path

import pytest
from support.cli import CommandLine

from registry.database.embedded import EmbeddedServer
from registry.encryption import key_file
from registry.encryption.key_file import write_key_file
from registry.encryption.key_source import (
    FILE_VARIABLE,
    load_keyring,
)
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.encryption.secret import Secret
from registry.errors import DatabaseUnavailable, MasterKeyMalformed, MasterKeyMissing

KEY = generate_master_key()
KEY_ID = MasterKeyring([KEY]).newest_id
pytestmark = pytest.mark.usefixtures("no_key_configured")


def read_key_file(path: Path) -> Secret:
    return key_file.read_key_file(
        path, missing=MasterKeyMissing, malformed=MasterKeyMalformed, hint="Check it."
    )


def test_a_new_key_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "master.key"
    old = os.umask(0)
    try:
        write_key_file(path, KEY)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read_key_file(path) == KEY


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    write_key_file(path, KEY)
    with pytest.raises(FileExistsError):
        write_key_file(path, generate_master_key())
    assert read_key_file(path) == KEY


def test_a_link_in_place_of_a_key_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "master.key").symlink_to(target)
    with pytest.raises(FileExistsError):
        write_key_file(tmp_path / "master.key", KEY)
    assert not target.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601])
def test_a_key_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    write_key_file(path, KEY)
    path.chmod(mode)
    with pytest.raises(MasterKeyMalformed, match=f"mode {mode:04o}") as refused:
        read_key_file(path)
    assert refused.value.hint == f"Run: chmod 600 {path}"


def give_to_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root can; for anybody else it is the user that changes."""
    if os.geteuid() == 0:
        os.chown(path, 54321, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 54321)


def test_a_key_file_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever owns it knows the key, and can put another in its place."""
    path = tmp_path / "master.key"
    write_key_file(path, KEY)
    give_to_another(path, monkeypatch)
    with pytest.raises(MasterKeyMalformed, match=r"belongs to another user \(uid \d+\)") as refused:
        read_key_file(path)
    assert f"chown {os.geteuid()} {path}" in (refused.value.hint or "")


def test_a_key_file_of_root_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "master.key"
    write_key_file(path, KEY)
    root = os.stat_result([0o100600, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr(os, "fstat", lambda _: root)
    assert read_key_file(path) == KEY


def test_a_checkpoint_key_of_another_user_is_refused(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("generate-checkpoint-key").exit_status == 0
    for file in (cli.folder / "config").iterdir():
        give_to_another(file, monkeypatch)
    assert cli("checkpoint").exit_status != 0
    assert "belongs to another user" in cli("checkpoint").err


def test_a_data_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner could have a server of his own answer there."""
    folder = tmp_path / "data"
    folder.mkdir()
    give_to_another(folder, monkeypatch)
    for use in (EmbeddedServer(folder).ensure_running, EmbeddedServer(folder).stop):
        with pytest.raises(DatabaseUnavailable, match="belongs to another user"):
            use()
    assert not any(folder.iterdir())


def test_a_file_that_is_not_there_or_a_folder_is_a_missing_key(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyMissing, match="No such file") as missing:
        read_key_file(tmp_path / "none")
    assert missing.value.hint == "Check it."
    with pytest.raises(MasterKeyMissing, match="directory"):
        read_key_file(tmp_path)


def test_a_file_that_holds_no_text_is_a_malformed_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(bytes(range(128, 256)))
    path.chmod(0o600)
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    with pytest.raises(MasterKeyMalformed):
        load_keyring()


def test_a_pipe_in_place_of_a_key_file_is_refused_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    os.mkfifo(path, 0o600)
    with pytest.raises(MasterKeyMalformed, match="not a regular file") as refused:
        read_key_file(path)
    assert refused.value.hint == "Check it."


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero"])
def test_a_device_in_place_of_a_key_file_is_refused(path: str) -> None:
    with pytest.raises(MasterKeyMalformed, match="not a regular file"):
        read_key_file(Path(path))


def test_a_link_to_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Its own mode says nothing (it is always 0777): the file's is what counts."""
    target, link = tmp_path / "target", tmp_path / "master.key"
    write_key_file(target, KEY)
    link.symlink_to(target)
    assert read_key_file(link) == KEY
    target.chmod(0o644)
    with pytest.raises(MasterKeyMalformed, match="mode 0644"):
        read_key_file(link)


@pytest.mark.parametrize("text", ["", "\n\n", "x" * 10_000_000, ",,,"], ids=lambda t: str(len(t)))
def test_an_empty_or_immense_key_file_is_a_malformed_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    path = tmp_path / "master.key"
    path.write_text(text)
    path.chmod(0o600)
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    with pytest.raises(MasterKeyMalformed):
        load_keyring()


def test_a_key_file_is_looked_at_after_it_was_opened_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No moment between a look and the reading in which another file could take its place."""
    path = tmp_path / "master.key"
    write_key_file(path, KEY)
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", lambda *_, **__: pytest.fail("looked at by name"))
        assert read_key_file(path) == KEY
