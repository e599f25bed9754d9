"""The verb `generate-key`."""

import stat
from pathlib import Path

import pytest
from support.cli import CommandLine

from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret


def test_a_saved_key_that_verbs_will_not_use_is_noted(cli: CommandLine) -> None:
    cli.environment["CREDENTIAL_ENCRYPTION_KEY"] = ""
    command = f"echo {cli.master_key}"
    saved = cli("generate-key", "--save", CREDENTIAL_ENCRYPTION_KEY_COMMAND=command)
    assert saved.exit_status == 0
    assert "take the key from the command in CREDENTIAL_ENCRYPTION_KEY_COMMAND" in saved.err
    assert cli.master_key not in saved.out + saved.err
    doctor = cli("doctor", "--quick", CREDENTIAL_ENCRYPTION_KEY_COMMAND=command)
    assert "from the command in CREDENTIAL_ENCRYPTION_KEY_COMMAND" in doctor.out
    assert cli.master_key not in doctor.out + doctor.err


def test_a_key_is_generated_to_standard_output_or_to_a_new_file(
    cli: CommandLine, tmp_path: Path
) -> None:
    """Pain 5: a key is only ever made on request."""
    printed = cli("generate-key")
    assert printed.err == ""
    MasterKeyring.parse(Secret(printed.out))
    path = tmp_path / "new.key"
    done = cli("generate-key", "--file", str(path), "--json")
    key = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert done.data == {"key_id": MasterKeyring.parse(Secret(key)).newest_id, "file": str(path)}
    assert key not in done.out + done.err
    again = cli("generate-key", "--file", str(path), "--json")
    assert (again.exit_status, again.error["code"]) == (4, "conflict")
    assert path.read_text().strip() == key


def test_a_saved_key_is_found_by_the_other_verbs(bot: CommandLine) -> None:
    bot.environment["CREDENTIAL_ENCRYPTION_KEY"] = ""
    assert bot("generate-key", "--save").exit_status == 0
    assert bot.store("bot", "aster").exit_status == 0
    assert bot("generate-key", "--save").exit_status == 4


@pytest.mark.parametrize(
    "options", [("--json",), ("--save", "--file", "new.key"), ("--file", "/proc/none/x")]
)
def test_a_key_that_could_not_be_kept_is_not_generated(
    cli: CommandLine, options: tuple[str, ...]
) -> None:
    refused = cli("generate-key", *options)
    assert (refused.exit_status, refused.out) == (2, "")
