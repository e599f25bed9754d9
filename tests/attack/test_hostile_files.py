"""Threat: Hostile files.

In place of a file that the program reads or writes there is something else: a pipe, a device, a
link, a folder, an oversized file, or another account's file.
"""

import contextlib
import errno
import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import CommandLine
from support.tables import nothing_written

from registry.services.audit import checkpoint_store

ASTER = "ASTER_API_KEY=aster-key\nASTER_SECRET_KEY=aster-secret\n"


def refused(cli: CommandLine, *arguments: str, stdin: bytes = b"") -> str:
    """The error's code; nothing is written, and no defect is reported."""
    with nothing_written(cli.environment["DATABASE_URL"]):
        result = cli(*arguments, "--json", stdin=stdin)
    assert result.exit_status not in (0, 1), result.err
    code: str = result.error["code"]
    return code


@pytest.fixture
def signing(cli: CommandLine) -> CommandLine:
    """A registry with a key for checkpoints."""
    cli("create-account", "bot")
    assert cli("generate-checkpoint-key", "--origin", "test.example/log").exit_status == 0
    return cli


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/", "/proc/self/mem"])
@pytest.mark.parametrize(
    "verb",
    [
        ("import-env", "bot", "--env-file"),
        ("add-credential", "bot", "aster", "--from-json"),
        ("verify-proof",),
        ("verify", "--against"),
        ("verify", "--since"),
    ],
    ids=lambda verb: verb[0],
)
def test_what_is_no_file_is_refused_and_not_read_for_ever(
    signing: CommandLine, verb: tuple[str, ...], path: str
) -> None:
    assert refused(signing, *verb, path)


def test_input_without_an_end_is_read_up_to_a_limit(signing: CommandLine) -> None:
    endless = b'{"api_key": "' + b"x" * (3 * 1024 * 1024)
    arguments = ("add-credential", "bot", "aster", "--from-json", "-")
    assert refused(signing, *arguments, stdin=endless) == "invalid_input"


def test_a_pipe_among_the_env_files_of_a_folder_is_passed_over(cli: CommandLine) -> None:
    folder = cli.folder / "envs"
    folder.mkdir()
    os.mkfifo(folder / ".env.pipe")
    (folder / ".env.folder").mkdir()
    (folder / ".env.nowhere").symlink_to("/nowhere")
    (folder / ".env.good").write_text(ASTER)
    done = cli("import-env", "--dir", str(folder), "--create", "--yes", "--json")
    assert [one["account"] for one in done.data if one["found"]] == ["good"]


@pytest.mark.parametrize("name", ["..", "../up", "a/b", "~root", "$HOME", "-rf", "%2e%2e"])
def test_a_name_of_an_account_is_never_a_path(cli: CommandLine, name: str) -> None:
    """The fallback's file is named for the account, and is compared by its whole name."""
    from registry.catalog.catalog import built_in_exchanges
    from registry.errors import InvalidInput
    from registry.services.releases.fallback import EnvironmentFallback

    planted = cli.folder / f".env.{name.replace('/', '_')}x"
    planted.write_text(ASTER)
    fallback = EnvironmentFallback(env_file=planted)
    with pytest.raises(InvalidInput, match="is not named for the account"):
        fallback.find(name, built_in_exchanges()["aster"])


@pytest.mark.parametrize("kind", ["text", "folder", "read-only folder", "another key's notes"])
def test_a_checkpoint_is_added_to_nothing_but_a_file_of_checkpoints(
    signing: CommandLine, tmp_path: Path, kind: str
) -> None:
    target = tmp_path / "target"
    match kind:
        case "text":
            target.write_text("root:x:0:0::/root:/bin/sh\n")
        case "folder":
            target.mkdir()
        case "read-only folder":
            target = Path("/proc/checkpoints")
        case _:
            assert signing("checkpoint").exit_status == 0
            config = signing.folder / "config"
            for name in ("checkpoint.key", "checkpoint.pub", "checkpoint.last"):
                (config / name).rename(config / f"old-{name}")
            note = (config / "old-checkpoint.last").read_text()
            signing("generate-checkpoint-key", "--origin", "test.example/log")
            target.write_text(note)
    before = target.read_bytes() if target.is_file() else None
    assert refused(signing, "checkpoint", "--append", str(target)) in (
        "invalid_proof",
        "invalid_input",
    )
    assert (target.read_bytes() if target.is_file() else None) == before


def test_a_link_to_another_file_is_not_written_through_unless_it_holds_checkpoints(
    signing: CommandLine, tmp_path: Path
) -> None:
    other, link = tmp_path / "authorized_keys", tmp_path / "checkpoints"
    other.write_text("ssh-ed25519 AAAA\n")
    link.symlink_to(other)
    assert refused(signing, "checkpoint", "--append", str(link)) == "invalid_proof"
    assert other.read_text() == "ssh-ed25519 AAAA\n"


def test_a_last_checkpoint_that_was_tampered_with_stops_signing(signing: CommandLine) -> None:
    assert signing("checkpoint").exit_status == 0
    last = signing.folder / "config" / "checkpoint.last"
    signing("create-account", "another")
    for text in ("", "x", last.read_text().replace("\n1\n", "\n0\n"), "\x00" * 10):
        last.write_text(text)
        assert refused(signing, "checkpoint") == "invalid_proof"


def test_metadata_from_a_file_that_is_none_is_refused(cli: CommandLine) -> None:
    for path in ("/dev/zero", "/", "/nowhere"):
        assert refused(cli, "create-account", "bot", "--metadata", f"@{path}")


def test_a_json_file_of_other_things_is_refused_without_quoting_it(
    signing: CommandLine, tmp_path: Path
) -> None:
    path = tmp_path / "fields.json"
    path.write_text(json.dumps({"api_key": "k", "secret_key": "s", "canary-Zq8": "canary-Zq8"}))
    shown = signing("add-credential", "bot", "aster", "--from-json", str(path))
    assert shown.exit_status == 2
    assert "canary-Zq8" not in shown.out + shown.err


@pytest.mark.parametrize("kind", ["pipe", "endless"])
@pytest.mark.parametrize("name", ["checkpoint.key", "checkpoint.pub", "checkpoint.last"])
def test_nothing_else_in_place_of_a_file_of_the_programs_own_is_waited_for(
    signing: CommandLine, name: str, kind: str
) -> None:
    notes = signing.folder / "checkpoints.txt"
    assert signing("checkpoint", "--append", str(notes)).exit_status == 0
    planted = signing.folder / "config" / name
    planted.unlink()
    if kind == "pipe":
        os.mkfifo(planted, 0o600)
    else:
        planted.symlink_to("/dev/zero")
    verb = ("checkpoint",) if name != "checkpoint.pub" else ("verify", "--against", str(notes))
    assert refused(signing, *verb)


def test_an_endless_public_key_is_read_up_to_a_limit(signing: CommandLine) -> None:
    notes = signing.folder / "checkpoints.txt"
    assert signing("checkpoint", "--append", str(notes)).exit_status == 0
    code = refused(signing, "verify", "--against", str(notes), "--key", "/dev/zero")
    assert code == "checkpoint_key_missing"


@pytest.mark.parametrize("kind", ["link", "pipe", "file"])
def test_what_lies_in_the_way_of_the_last_checkpoint_is_not_written_through(
    signing: CommandLine, kind: str
) -> None:
    precious = signing.folder / "precious"
    precious.write_text("precious")
    fresh = signing.folder / "config" / "checkpoint.new"
    match kind:
        case "link":
            fresh.symlink_to(precious)
        case "pipe":
            os.mkfifo(fresh)
        case _:
            fresh.write_text("left behind by one that was killed")
    assert signing("checkpoint").exit_status == 0
    assert precious.read_text() == "precious"
    assert "test.example/log" in (signing.folder / "config" / "checkpoint.last").read_text()


def test_a_public_key_of_the_same_name_is_not_overwritten(cli: CommandLine) -> None:
    (cli.folder / "id.pub").write_text("ssh-ed25519 of somebody")
    named = {"REGISTRY_CHECKPOINT_KEY_FILE": str(cli.folder / "id.key")}
    done = cli("generate-checkpoint-key", "--origin", "test.example/log", **named)
    assert (done.exit_status, "id.pub exists already" in done.err) == (4, True)
    assert (cli.folder / "id.pub").read_text() == "ssh-ed25519 of somebody"
    assert not (cli.folder / "id.key").exists()


@contextlib.contextmanager
def disk_that_is_full_after(size: int) -> Iterator[None]:
    """No file grows beyond a size: the kernel writes up to there and no further."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_leaves_no_half_a_note(signing: CommandLine) -> None:
    notes = signing.folder / "checkpoints.txt"
    assert signing("checkpoint", "--append", str(notes)).exit_status == 0
    signing("create-account", "another")
    before = notes.read_bytes()
    with disk_that_is_full_after(len(before) + 50):
        full = signing("checkpoint", "--append", str(notes))
    assert full.exit_status == 2
    assert "cannot write" in full.err
    assert notes.read_bytes() == before
    assert signing("checkpoint", "--append", str(notes)).exit_status == 0
    assert signing("verify", "--against", str(notes)).exit_status == 0


def test_a_full_disk_leaves_no_half_a_key(cli: CommandLine) -> None:
    with disk_that_is_full_after(20):
        full = cli("generate-key", "--save")
    assert (full.exit_status, "cannot write" in full.err) == (2, True)
    assert not (cli.folder / "config" / "master.key").exists()
    assert cli("generate-key", "--save").exit_status == 0


def test_a_full_disk_leaves_no_key_for_checkpoints_without_its_public_half(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, public = (cli.folder / "config" / f"checkpoint.{end}" for end in ("key", "pub"))

    def full(path: Path, text: str, *, mode: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with disk_that_is_full_after(20):
        told = cli("generate-checkpoint-key", "--origin", "test.example/log")
    assert (told.exit_status, f"cannot write {key}: " in told.err) == (2, True)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_store, "write_new", full)
        told = cli("generate-checkpoint-key", "--origin", "test.example/log")
    assert (told.exit_status, f"cannot write {public}: " in told.err) == (2, True)
    assert not key.exists()
    assert cli("generate-checkpoint-key", "--origin", "test.example/log").exit_status == 0
