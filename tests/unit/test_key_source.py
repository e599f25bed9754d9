"""The source of a key: a variable, a file, a command, or a credential of systemd."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.database.target import Target
from registry.encryption import key_command
from registry.encryption.key_file import write_key_file
from registry.encryption.key_source import (
    FILE_VARIABLE,
    VARIABLE,
    default_key_file,
    load_keyring,
)
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.encryption.secret import Secret
from registry.errors import (
    CheckpointKeyMissing,
    InvalidInput,
    MasterKeyMalformed,
    MasterKeyMissing,
)
from registry.proofs.note import Signer
from registry.services.audit.checkpoint_store import CheckpointStore

COMMAND_VARIABLE = f"{VARIABLE}_COMMAND"

KEY = generate_master_key()
KEY_ID = MasterKeyring([KEY]).newest_id
pytestmark = pytest.mark.usefixtures("no_key_configured")


def test_without_any_key_the_error_says_how_to_get_one_and_none_is_made() -> None:
    """Pain 5: a run without a key must not make one."""
    with pytest.raises(MasterKeyMissing, match="no master key is configured") as missing:
        load_keyring()
    assert "generate-key --save" in (missing.value.hint or "")
    assert not default_key_file().exists()


def test_what_the_environment_names_comes_before_the_default_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default, named, printed, passed, direct = (generate_master_key() for _ in range(5))
    write_key_file(default_key_file(), default)
    assert load_keyring().ids == MasterKeyring([default]).ids
    write_key_file(tmp_path / "named.key", named)
    write_key_file(tmp_path / "credentials" / "credential_encryption_key", passed)
    for variable, value, key in (
        (VARIABLE, direct.reveal(), direct),
        (FILE_VARIABLE, str(tmp_path / "named.key"), named),
        (COMMAND_VARIABLE, f"echo {printed.reveal()}", printed),
        ("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"), passed),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(variable, value)
            assert load_keyring().ids == MasterKeyring([key]).ids


@pytest.mark.parametrize("other", [VARIABLE, FILE_VARIABLE, "CREDENTIALS_DIRECTORY"])
def test_two_sources_at_once_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    write_key_file(tmp_path / "credential_encryption_key", KEY)
    monkeypatch.setenv(COMMAND_VARIABLE, f"echo {KEY.reveal()}")
    monkeypatch.setenv(other, str(tmp_path))
    with pytest.raises(MasterKeyMalformed, match="2 sources name the master key") as refused:
        load_keyring()
    assert other in refused.value.message
    assert COMMAND_VARIABLE in refused.value.message


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("exit-3", "ended with exit code 3"),
        ("kill-itself", "ended with signal 15"),
        ("say-nothing", "printed nothing"),
        ("say-much", "printed more than a key"),
        ("sleep-on", "did not end within"),
        ("leave-a-child", "did not end within"),
        ("no-such-program-anywhere", "cannot be started: No such file"),
        ("'unclosed", "cannot be split into words"),
    ],
)
def test_a_command_that_gives_no_key_is_told_by_name_and_never_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, message: str
) -> None:
    monkeypatch.setattr(key_command, "_SECONDS", 0.5)
    for name, script in {
        "exit-3": f"echo {KEY.reveal()} >&2; exit 3",
        "kill-itself": "kill $$",
        "say-nothing": "echo",
        "say-much": "yes",
        "sleep-on": "exec sleep 5",
        "leave-a-child": f"echo {KEY.reveal()}; sleep 2 & exit 0",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv(COMMAND_VARIABLE, command)
    began = time.monotonic()
    with pytest.raises(MasterKeyMissing, match=message) as refused:
        load_keyring()
    assert time.monotonic() - began < 1.5
    assert COMMAND_VARIABLE in refused.value.message
    said = f"{refused.value.message} {refused.value.hint}"
    assert KEY.reveal() not in said
    assert command.strip("'") not in said


def test_a_command_runs_without_a_shell_and_may_print_several_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old = generate_master_key(), generate_master_key()
    monkeypatch.setenv(COMMAND_VARIABLE, f"printf '%s\\n%s\\n' {new.reveal()} {old.reveal()}")
    assert load_keyring().ids == MasterKeyring([new, old]).ids
    monkeypatch.setenv(COMMAND_VARIABLE, f"true; touch {tmp_path}/made")
    with pytest.raises(MasterKeyMissing):
        load_keyring()
    assert not (tmp_path / "made").exists()


def test_a_credential_of_the_unit_must_be_closed_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "credential_encryption_key"
    write_key_file(path, KEY)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    path.chmod(0o440)  # how an access list for the unit's user shows
    assert load_keyring().ids == (KEY_ID,)
    path.chmod(0o444)
    with pytest.raises(InvalidInput, match="others cannot read"):
        load_keyring()
    path.chmod(0o600)
    path.write_text("")
    with pytest.raises(MasterKeyMalformed, match="credential_encryption_key is empty"):
        load_keyring()
    path.unlink()
    with pytest.raises(MasterKeyMissing, match="no master key is configured"):
        load_keyring()


def test_the_checkpoint_key_has_the_same_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = Signer.generate("test.example/log")
    write_key_file(tmp_path / "registry_checkpoint_key", signer.to_text())
    with pytest.raises(CheckpointKeyMissing, match="no key for checkpoints is configured"):
        CheckpointStore().signer()
    with monkeypatch.context() as patch:
        patch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        assert str(CheckpointStore().signer().verifier) == str(signer.verifier)
    monkeypatch.setenv("REGISTRY_CHECKPOINT_KEY_COMMAND", f"cat {tmp_path}/registry_checkpoint_key")
    assert str(CheckpointStore().signer().verifier) == str(signer.verifier)


def test_the_database_may_be_a_credential_of_the_unit_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "postgresql://bot@db.example/bots"
    write_key_file(tmp_path / "database_url", Secret(address))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert Target.from_environment().url == address
    monkeypatch.setenv("DATABASE_URL", address)
    with pytest.raises(InvalidInput, match="2 sources name the database"):
        Target.from_environment()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Path.mkdir, "cannot read database_url in CREDENTIALS_DIRECTORY"),
        (lambda path: path.symlink_to(path), "cannot read database_url in CREDENTIALS_DIRECTORY"),
        (lambda path: write_key_file(path, Secret("")), "database_url in CREDENTIALS_DIRECTORY is"),
        (lambda path: write_key_file(path, Secret("canary")), "is not the address of a PostgreSQL"),
    ],
)
def test_a_credential_that_gives_no_address_does_not_lead_to_the_embedded_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], said: str
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    make(tmp_path / "database_url")
    with pytest.raises(InvalidInput, match=said) as refused:
        Target.from_environment()
    assert "canary" not in str(refused.value)


def test_a_key_that_is_none_is_told_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND_VARIABLE, "echo canary")
    with pytest.raises(MasterKeyMalformed, match=f"in the command in {COMMAND_VARIABLE}") as told:
        load_keyring()
    assert "canary" not in str(told.value)


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
