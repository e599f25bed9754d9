"""`run --watch` on a terminal: the program and its supervisor are one job of the shell."""

from collections.abc import Iterator

import pytest
from support.cli import CommandLine
from support.running import borrowing_bot
from support.supervised import eventually, replaced
from support.terminal import Shell

pytestmark = pytest.mark.slow

PROGRAM = """
import os, signal, sys
def say(*words): os.write(1, (" ".join(map(str, words)) + "\\n").encode())
def taken(number, frame):
    say("got", signal.Signals(number).name)
    if number == signal.SIGTERM: sys.exit(0)
for name in "INT TERM CONT".split(): signal.signal(getattr(signal, "SIG" + name), taken)
say("up", os.environ["LIGHTER_API_KEY_INDEX"])
for line in sys.stdin:
    say("read", line.strip())
    if line.startswith("exit"): sys.exit(7)
"""
TAKES = """
import signal, sys
if sys.argv[1] == "without":  # as on macOS
    del signal.sigtimedwait
from registry.services.supervising.signals import Signals
signals = Signals()
assert signals.next(0.01) is None
print("ready to take", flush=True)
for _ in range(2):
    taken = signals.next(20)
    print("took", taken.number, taken.from_terminal, taken.ends, flush=True)
"""
START = "$PYTHON -m registry.commands run --watch --quiet 0s --account bot -- $PYTHON program.py"


@pytest.fixture
def bot(cli: CommandLine) -> CommandLine:
    return borrowing_bot(cli)


@pytest.fixture
def shell(bot: CommandLine) -> Iterator[Shell]:
    bot.file("program.py", PROGRAM)
    opened = Shell(bot)
    yield opened
    opened.close()


def command(bot: CommandLine) -> str:
    return START.replace("program.py", str(bot.folder / "program.py")) + " 2>&1"


def test_the_program_reads_the_terminal_before_and_after_a_restart(
    bot: CommandLine, shell: Shell
) -> None:
    shell.types(f"{command(bot)}\n")
    shell.wait_for("up 0")
    shell.types("first\n")
    shell.wait_for("read first")
    replaced(bot, "lighter", api_key_index="5")
    shell.wait_for("up 5")
    shell.types("second\n")
    shell.wait_for("read second")
    shell.types("exit\n")
    shell.wait_for("ready> ")
    shell.types("echo status $?\n")
    shell.wait_for("status 7")


def test_an_interrupt_key_reaches_the_program_once_and_the_program_decides(
    bot: CommandLine, shell: Shell
) -> None:
    shell.types(f"{command(bot)}\n")
    shell.wait_for("up 0")
    for _ in range(2):
        shell.types("\x03")
        shell.wait_for("got SIGINT")
    shell.types("word\n")
    assert "got" not in shell.wait_for("read word")
    shell.types("exit\n")
    shell.wait_for("ready> ")


@pytest.mark.parametrize("way", ["with", "without"])
def test_a_key_is_told_from_a_signal_that_somebody_sent(
    bot: CommandLine, shell: Shell, way: str
) -> None:
    path = bot.file("takes.py", TAKES)
    shell.types(f"PYTHONPATH=. $PYTHON {path} {way}\n")
    shell.wait_for("ready to take\r\n")
    shell.types("\x03")
    shell.wait_for("took 2 True True")
    shell.types("\x1a")
    shell.wait_for("took 20 True False")
    shell.wait_for("ready> ")
    shell.types(
        f"PYTHONPATH=. $PYTHON {path} {way} & sleep 1; kill -INT $!; sleep 1; kill -HUP $!; wait\n"
    )
    shell.wait_for("took 2 False True")
    shell.wait_for("took 1 False False")
    shell.wait_for("ready> ")


def test_an_interrupt_key_ends_a_program_that_does_not_take_it_and_run_by_it(
    bot: CommandLine, shell: Shell
) -> None:
    shell.types(f"{command(bot).split(' -- ')[0]} -- sh -c 'echo up; exec sleep 60'\n")
    shell.wait_for("up\r\n")
    shell.types("\x03")
    shell.wait_for("ready> ")
    shell.types("echo status $?\n")
    shell.wait_for("status 130")


def test_a_job_stops_goes_on_in_the_background_and_comes_back(
    bot: CommandLine, shell: Shell
) -> None:
    shell.types(f"{command(bot)}\n")
    shell.wait_for("up 0")
    shell.types("\x1a")
    shell.wait_for("Stopped")
    shell.wait_for("ready> ")
    # It reads the terminal, which no job in the background may: it stops again, as any job.
    shell.types("bg\n")
    shell.wait_for("got SIGCONT")
    eventually(lambda: is_stopped(shell), "the job in the background goes on")
    shell.types("fg\n")
    shell.wait_for("got SIGCONT")
    shell.types("word\n")
    shell.wait_for("read word")
    shell.types("exit\n")
    shell.wait_for("ready> ")
    shell.types("echo status $?\n")
    shell.wait_for("status 7")


def is_stopped(shell: Shell) -> bool:
    """Whether the shell knows that its job has stopped."""
    shell.types("jobs\n")
    return "Stopped" in shell.wait_for("ready> ")


def test_a_change_while_the_job_is_stopped_is_seen_when_it_goes_on(
    bot: CommandLine, shell: Shell
) -> None:
    shell.types(f"{command(bot)}\n")
    shell.wait_for("up 0")
    shell.types("\x1a")
    shell.wait_for("Stopped")
    replaced(bot, "lighter", api_key_index="5")
    shell.wait_for("ready> ")
    shell.types("fg\n")
    shell.wait_for("up 5")
    shell.types("exit\n")
    shell.wait_for("ready> ")


def test_in_a_pipe_and_in_a_script_the_keys_mean_what_they_mean_without_it(
    bot: CommandLine, shell: Shell
) -> None:
    shell.types(f"{command(bot)} | cat\n")
    shell.wait_for("up 0")
    shell.types("word\n")
    shell.wait_for("read word")
    shell.types("\x1a")
    shell.wait_for("Stopped")
    shell.types("fg\n")
    shell.wait_for("got SIGCONT")
    shell.types("exit\n")
    shell.wait_for("ready> ")
    shell.types(f"sh -c '{command(bot).split(' -- ')[0]} -- sleep 60; echo after' \n")
    shell.wait_for("Not passed on")
    shell.types("\x03")
    assert "after" not in shell.wait_for("ready> ")[-40:]


def test_a_closed_terminal_ends_the_program(bot: CommandLine, shell: Shell) -> None:
    path = bot.folder / "ended"
    program = f"trap 'echo hung up >{path}; exit 3' HUP; echo up; while :; do sleep 0.1; done"
    shell.types(f'{command(bot).split(" -- ")[0]} -- sh -c "{program}"\n')
    shell.wait_for("up\r\n")
    shell.close()
    eventually(lambda: path.exists() and path.read_text() == "hung up\n", "nobody hung up")
