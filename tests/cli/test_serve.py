"""`serve` as a process: what it prints, where it listens, and how it ends."""

import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.cli import PROJECT, CommandLine
from support.page_server import Browser


@contextmanager
def serving(cli: CommandLine, *options: str) -> Iterator[str]:
    """The line that `serve` prints; it has to end well when it is told to."""
    command = [sys.executable, "-m", "registry.commands", "serve", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, *options],
        cwd=PROJECT,
        env=cli.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)
        assert (process.returncode, "Error" in told) == (0, False), told
    finally:
        process.kill()
        process.communicate()


def test_it_prints_its_address_with_the_token(cli: CommandLine) -> None:
    assert cli("create-account", "main_bot").exit_status == 0
    with serving(cli) as line:
        address, _, token = line.removeprefix("The page is at ").partition("#token=")
        assert len(token) == 43
        assert "main_bot" in Browser(address, token).get("/").text
        lines = Browser(address, token).events()  # an open page does not keep it from ending
        assert next(lines)


def test_a_kept_token_is_not_printed_and_serves_again(cli: CommandLine) -> None:
    path = cli.folder / "page.token"
    told = []
    for _ in range(2):
        with serving(cli, "--token-file", str(path)) as line:
            token = path.read_text().strip()
            assert token not in line
            address = line.removeprefix("The page is at ")
            assert Browser(address, token).get("/").status == 200
            told.append(token)
    assert told[0] == told[1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    refused = cli("serve", "--token-file", str(path))
    assert (refused.exit_status, "can be read by others" in refused.err) == (2, True)
    path.chmod(0o600)
    path.write_text("short")
    refused = cli("serve", "--token-file", str(path))
    assert (refused.exit_status, "shorter than 32" in refused.err) == (2, True)


@pytest.mark.parametrize("listen", ["8484", "everywhere:8484", "127.0.0.1:99999"])
def test_a_wrong_place_to_listen_is_an_error(cli: CommandLine, listen: str) -> None:
    refused = cli("serve", "--listen", listen)
    assert refused.exit_status == 2
    assert "an IP address and a port" in refused.err


def test_a_port_that_is_taken_is_an_error(cli: CommandLine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = cli("serve", "--listen", f"127.0.0.1:{port}")
    assert refused.exit_status == 2
    assert f"cannot listen at 127.0.0.1, port {port}" in refused.err


def test_without_its_packages_it_says_how_to_get_both(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "registry.page.serving", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    refused = cli("serve", "--json")
    assert (refused.exit_status, refused.error["code"]) == (1, "missing_extra")
    assert refused.error["hint"].endswith(f"--python {sys.prefix} install aiohttp jinja2")
