"""The verb `monitor` on a terminal of its own."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest
from support.bots import login_role
from support.cli import PROJECT, CommandLine

COLOUR = re.compile(
    r"\x1b\[[0-9;]*?(?<![0-9])(?:3[0-7]|38;[25]|4[0-7]|48;[25]|9[0-7]|10[0-7])[0-9;]*m"
)
ALTERNATE, MAIN = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, cli: CommandLine, *arguments: str, columns: int = 80) -> None:
        self.main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.before = termios.tcgetattr(side)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "registry.commands", "monitor", *arguments],
            stdin=side,
            stdout=side,
            stderr=side,
            env={**cli.environment, "TERM": "xterm-256color", "COLUMNS": "", "LINES": ""},
            cwd=PROJECT,
            start_new_session=True,
        )
        self.side = side
        self.written = ""

    def wait_for(self, text: str) -> None:
        """Reads until a text is written; escape sequences between its letters do not count."""
        end = time.monotonic() + 30
        while text not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.written):
            assert time.monotonic() < end, self.written
            self.read(0.1)

    def read(self, seconds: float) -> None:
        if select.select([self.main], [], [], seconds)[0]:
            with contextlib.suppress(OSError):
                self.written += os.read(self.main, 65536).decode(errors="replace")

    def press(self, keys: str) -> None:
        os.write(self.main, keys.encode())

    def end(self) -> int:
        """Waits for its end, reading on; the terminal must be as it was before."""
        end = time.monotonic() + 15
        while self.process.poll() is None:
            assert time.monotonic() < end, self.written
            self.read(0.1)
        self.read(0.1)
        assert termios.tcgetattr(self.side) == self.before
        assert self.written.rindex(MAIN) > self.written.rindex(ALTERNATE)
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.main)
        os.close(self.side)


@pytest.fixture
def auditor(bot: CommandLine, database_url: str) -> Iterator[CommandLine]:
    """The command line of an auditor."""
    with login_role(database_url, "registry_auditor") as role:
        bot.environment["DATABASE_URL"] = role.address
        del bot.environment["CREDENTIAL_ENCRYPTION_KEY"]
        yield bot


@pytest.mark.slow
def test_an_auditor_looks_filters_and_leaves(auditor: CommandLine) -> None:
    with contextlib.closing(Terminal(auditor, "accounts")) as terminal:
        terminal.wait_for("1 account · page 1 of 1")
        assert COLOUR.search(terminal.written)
        terminal.press("/zzz\r")
        terminal.wait_for("No account fits text zzz")
        terminal.press("q")
        assert terminal.end() == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, None])
def test_however_it_ends_the_terminal_is_as_before(
    auditor: CommandLine, number: signal.Signals | None
) -> None:
    auditor.environment["NO_COLOR"] = "1"
    with contextlib.closing(Terminal(auditor, "accounts", "--only", "account=b*")) as terminal:
        terminal.wait_for("only account=b*")
        if number is None:
            terminal.press("\x03")
        else:
            terminal.process.send_signal(number)
        assert terminal.end() == 0
        assert not COLOUR.search(terminal.written)
        assert "\x1b[7m" in terminal.written or "\x1b[1;7m" in terminal.written


def test_without_a_terminal_it_names_the_verb_for_programs(cli: CommandLine) -> None:
    shown = cli("monitor")
    assert (shown.exit_status, shown.out) == (2, "")
    assert "monitor needs a terminal" in shown.err
    assert "account-registry list-problems --json" in shown.err
    shown = cli("monitor", "gone")
    assert (shown.exit_status, "there is no view gone" in shown.err) == (2, True)


def test_without_its_package_it_says_how_to_get_it(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "registry.terminal.app", None)
    shown = cli("monitor")
    assert shown.exit_status == 1
    assert f"pip --python {sys.prefix} install textual" in shown.err
