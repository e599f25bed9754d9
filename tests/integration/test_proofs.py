"""From a checkpoint to a proof that is verified without the database."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support import offline_verifier
from support.cli import CommandLine
from support.proving import proof, public_key, signed_log

from registry.log import leaf as leaves
from registry.log.rows import copy_leaves
from registry.proofs.bundle import verify_bundle
from registry.proofs.note import Verifier

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def signed(cli: CommandLine) -> CommandLine:
    return signed_log(cli)


@pytest.mark.parametrize("position", range(9))
def test_each_event_has_a_proof_that_both_verifiers_accept(
    signed: CommandLine, position: int
) -> None:
    document = proof(signed, str(position))
    proven = verify_bundle(document, Verifier.parse(public_key(signed)))
    assert [event.position for event in proven.events] == [position]
    (found,) = offline_verifier.verify(document, public_key(signed))
    assert found == (position, proven.events[0].event_type)


def test_a_credentials_history_is_proved_as_one_file(signed: CommandLine) -> None:
    document = proof(signed, "one", "aster")
    types = [event_type for _, event_type in offline_verifier.verify(document, public_key(signed))]
    assert types == [
        "CredentialAdded",
        "CredentialReplaced",
        "CredentialDeactivated",
        "CredentialReactivated",
    ]


def test_a_proof_is_verified_with_the_public_key_only(signed: CommandLine, tmp_path: Path) -> None:
    proof(signed, "one", "aster")
    code = (
        "import sys, importlib.abc\n"
        "class Refuse(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'psycopg':\n"
        "            raise ImportError(name)\n"
        "import socket; socket.socket = None\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from registry.commands import main\n"
        "main()\n"
    )
    path, key = signed.folder / "proof.json", tmp_path / "elsewhere.pub"
    key.write_text(public_key(signed))
    done = subprocess.run(
        [sys.executable, "-c", code, "verify-proof", str(path), "--key", str(key)],
        env={"PATH": "", "HOME": str(tmp_path / "nowhere"), "COLUMNS": "200"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Proven: 4 events of the log test.example/log" in done.stdout
    assert "gAAAA" not in done.stdout


def test_the_key_itself_can_be_given_instead_of_its_file(signed: CommandLine) -> None:
    proof(signed, "3")
    path = str(signed.folder / "proof.json")
    assert signed("verify-proof", path, "--key", public_key(signed).strip()).exit_status == 0
    missing = signed("verify-proof", path, "--key", "/nowhere/key.pub", "--json")
    assert (missing.exit_status, missing.error["code"]) == (7, "checkpoint_key_missing")


def test_an_event_after_the_checkpoint_cannot_be_proved_yet(signed: CommandLine) -> None:
    signed("create-account", "three")
    refused = signed("prove", "9", "--json")
    assert (refused.exit_status, refused.error["code"]) == (3, "not_found")
    signed("checkpoint")
    assert signed("prove", "9").exit_status == 0


def test_nothing_can_be_proved_without_a_checkpoint(cli: CommandLine) -> None:
    cli("create-account", "one")
    assert cli("prove", "0", "--json").error["code"] == "checkpoint_key_missing"
    cli("generate-checkpoint-key")
    assert cli("prove", "0", "--json").error["code"] == "not_found"
    cli("checkpoint")
    assert cli("prove", "one", "two", "three").exit_status == 2


def test_a_checkpoint_file_grows_and_is_verified_as_a_whole(signed: CommandLine) -> None:
    path = signed.folder / "checkpoints"
    for name in ("three", "four"):
        assert signed("checkpoint", "--append", str(path)).exit_status == 0
        signed("create-account", name)
    signed("checkpoint", "--append", str(path))
    signed("checkpoint", "--append", str(path))
    verified = signed("verify", "--against", str(path), "--json")
    assert (verified.exit_status, verified.data["checkpoints"]) == (0, 3)


def test_a_checkpoint_of_an_empty_log_is_continued_by_everything(cli: CommandLine) -> None:
    cli("generate-checkpoint-key", "--origin", "test.example/log")
    assert cli("checkpoint", "--json").data["size"] == 0
    cli("create-account", "one")
    assert cli("checkpoint", "--json").data["size"] == 1
    assert cli("verify").exit_status == 0


def test_the_key_file_is_private_and_never_overwritten(cli: CommandLine) -> None:
    made = cli("generate-checkpoint-key", "--origin", "test.example/log", "--json").data
    file = Path(made["file"])
    assert file.stat().st_mode & 0o777 == 0o600
    again = cli("generate-checkpoint-key", "--json")
    assert (again.exit_status, again.error["code"]) == (4, "conflict")
    file.chmod(0o644)
    open_to_all = cli("checkpoint", "--json")
    assert (open_to_all.exit_status, open_to_all.error["code"]) == (7, "checkpoint_key_malformed")


def test_without_a_key_no_checkpoint_is_signed(cli: CommandLine) -> None:
    refused = cli("checkpoint", "--json")
    assert (refused.exit_status, refused.error["code"]) == (7, "checkpoint_key_missing")
    assert "generate-checkpoint-key" in refused.error["hint"]


@pytest.mark.usefixtures("signed")
def test_a_leaf_decodes_to_the_row_and_encodes_to_the_same_bytes(
    connection: psycopg.Connection[Any],
) -> None:
    for position, raw in enumerate(copy_leaves(connection, list(range(9)))):
        decoded = leaves.decode(raw)
        assert leaves.encode(decoded) == raw
        columns = ", ".join("data::text" if c == "data" else c for c in leaves.COLUMNS)
        row = connection.execute(
            f"SELECT {columns} FROM audit_events WHERE position = {position}"
        ).fetchone()
        assert tuple(decoded) == row


@pytest.mark.parametrize("raw", [b"", b"\0\0", b"\0\0\0\x08\0", b"\xff\xff\xff\xff" * 18])
def test_bytes_that_are_no_leaf_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="leaf"):
        leaves.decode(raw)


@pytest.mark.parametrize(
    "words",
    [("checkpoint", "--append", "x" * 300), ("verify-proof", "there-is-none", "--key", "+" * 300)],
    ids=lambda words: words[0],
)
def test_a_name_that_no_file_can_have_is_a_clear_error(
    signed: CommandLine, words: tuple[str, ...]
) -> None:
    refused = signed(*words, "--json")
    assert refused.exit_status in (2, 7)
    assert refused.error["code"] in ("invalid_input", "checkpoint_key_malformed")


def test_a_last_checkpoint_that_cannot_be_read_is_a_clear_error(signed: CommandLine) -> None:
    for file in (signed.folder / ("x" * 300 + ".key"), signed.folder / "other.key"):
        (signed.folder / "other.last").write_bytes(b"\xff")
        refused = signed("verify", "--json", REGISTRY_CHECKPOINT_KEY_FILE=str(file))
        assert (refused.exit_status, refused.error["code"]) == (2, "invalid_input")
        assert re.search("cannot read|is not UTF-8", refused.error["message"])
