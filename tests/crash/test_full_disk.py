"""A disk that is really full: the cause is named, and nothing acknowledged is lost."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.cli import CommandLine

from registry.database.embedded import EmbeddedServer

pytestmark = pytest.mark.slow

MOUNT = ("mount", "-t", "tmpfs", "-o", "size=200m,mode=0711", "tmpfs")


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small file system."""
    folder = tmp_path_factory.mktemp("disk")
    if os.geteuid() != 0 or subprocess.run([*MOUNT, folder], check=False).returncode:
        pytest.skip("only root can mount a small disk")
    for above in folder.parents[:3]:
        above.chmod(0o711)  # the server runs as another user
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Takes what is left of the disk."""
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (2**20, 2**12):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    yield
    ballast.unlink()


def test_a_full_disk_is_named_and_what_was_acknowledged_is_there(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedServer(disk)
    cli = CommandLine(server.ensure_running(), tmp_path, monkeypatch)
    try:
        assert cli("migrate", "up").exit_status == 0
        acknowledged = []
        with full(disk):
            for number in range(200):
                name = f"bot-{number}"
                done = cli("create-account", name, "--description", "x" * 1000, "--json")
                if done.exit_status:
                    break
                acknowledged.append(name)
            assert done.exit_status == 7
            assert done.error["code"] == "server_failing"
            assert "no room left on its disk: could not extend file" in done.error["message"]
            assert "Make room there" in done.error["hint"]
            assert cli("list-accounts").exit_status == 0
        assert cli("create-account", name).exit_status == 0
        with psycopg.connect(server.ensure_running()) as connection:
            rows = connection.execute("SELECT account_name FROM accounts").fetchall()
        assert {row[0] for row in rows} == {*acknowledged, name}
        assert cli("rebuild", "--check").exit_status == 0
        assert cli("verify").exit_status == 0
    finally:
        server.stop()


def test_an_embedded_server_that_finds_no_room_says_so(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = CommandLine("", tmp_path, monkeypatch)
    data = {"REGISTRY_DATA_DIR": str(disk / "data")}
    with full(disk):
        refused = cli("create-account", "bot", "--json", **data)
    assert refused.exit_status == 7
    assert "its disk has 0 MB left" in refused.error["message"]
    assert cli("create-account", "bot", **data).exit_status == 0
    assert EmbeddedServer(disk / "data").stop()
