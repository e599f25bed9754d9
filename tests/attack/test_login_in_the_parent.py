"""Threat: Login in the parent.

A program under `run --watch` has a parent with the login and the master key, of the same user.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import CommandLine
from support.running import borrowing_bot
from support.supervised import eventually, replaced, supervised

LOOKS = """
import ctypes, os, time
def tries(what, action):
    try:
        action()
        os.write(1, f"can {what}\\n".encode())
    except OSError as error:
        os.write(1, f"cannot {what}\\n".encode())
def attach(pid):
    if ctypes.CDLL(None, use_errno=True).ptrace(16, pid, 0, 0):
        raise OSError
parent = os.getppid()
children = open(f"/proc/{parent}/task/{parent}/children").read().split()
others = [parent, *(int(child) for child in children if int(child) != os.getpid())]
for pid in others:
    who = "parent" if pid == parent else "follower"
    for file in ("environ", "mem", "maps", "auxv"):
        tries(f"read {file} of the {who}", lambda: open(f"/proc/{pid}/{file}", "rb").close())
    tries(f"attach to the {who}", lambda: attach(pid))
os.write(1, b"looked\\n")
time.sleep(60)
"""
SHOWS_FILES = """
import os
for number in os.listdir("/proc/self/fd"):
    file = f"/proc/self/fd/{number}"
    if int(number) > 2 and os.path.exists(file):
        print("file", os.readlink(file))
"""
TRIED = 10
WITH_ORPHANS = """
for i in 1 2 3; do (sh -c 'sleep 0.2' &); done
sleep 1
echo zombies: $(cat /proc/[0-9]*/status | grep -c '^State:.Z')
trap 'echo got TERM; trap - TERM; kill $$' TERM
while :; do sleep 0.1; done
"""
_RIGHTS = "-sys_ptrace,-sys_admin,-perfmon"  # by any of them root may look into each process
AS_A_USER: tuple[str, ...] = ("setpriv", f"--bounding-set={_RIGHTS}", f"--inh-caps={_RIGHTS}")
if os.geteuid() != 0:
    AS_A_USER = ()

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc")


@pytest.fixture
def bot(cli: CommandLine) -> CommandLine:
    return borrowing_bot(cli)


def looked(bot: CommandLine, **environment: str) -> list[str]:
    """What the program says that it can and cannot do to its parent."""
    program = [sys.executable, "-c", LOOKS]
    with supervised(bot, program=program, prefix=AS_A_USER, **environment) as watched:
        watched.wait_for("looked")
        return [line for line in watched.said if line.startswith("can")]


def test_the_program_cannot_look_into_its_parent(bot: CommandLine) -> None:
    tried = looked(bot)
    assert (len(tried), [line for line in tried if not line.startswith("cannot ")]) == (TRIED, [])


@pytest.mark.slow
def test_it_can_where_core_dumps_and_debuggers_are_allowed(bot: CommandLine) -> None:
    assert "can read environ of the parent" in looked(bot, REGISTRY_CORE_DUMPS="allow")


@pytest.mark.slow
def test_the_parent_has_no_credential_in_its_memory(bot: CommandLine) -> None:
    secrets = ["wallet-secret-of-the-first", "wallet-secret-of-the-second"]
    replaced(bot, "lighter", private_key=secrets[0])
    with supervised(bot) as watched:
        watched.up()
        replaced(bot, "lighter", private_key=secrets[1])
        second = watched.up()
        parents = {watched.process.pid, *watched.children()} - {second.pid}
        assert len(parents) == 2
        for pid in parents:
            memory = memory_of(pid)
            assert b"DATABASE_URL" in memory
            assert not any(secret.encode() in memory for secret in secrets)
        assert secrets[1].encode() in memory_of(second.pid)


def memory_of(pid: int) -> bytes:
    """What a process has in its memory, for who may look."""
    read = bytearray()
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
                if found and "[v" not in line:
                    first, end = (int(place, 16) for place in found.groups())
                    memory.seek(first)
                    read += memory.read(end - first)
    except PermissionError:
        pytest.skip("only root may look")
    return bytes(read)


def test_the_program_gets_no_open_file_of_its_parent(bot: CommandLine) -> None:
    with supervised(bot, program=[sys.executable, "-c", SHOWS_FILES]) as watched:
        assert watched.end() == 0
    files = [line.split(" ", 1)[1] for line in watched.said if line.startswith("file ")]
    # The lock of a key that breaks when two use it, as without --watch.
    assert [Path(file).parent.name for file in files if "/proc/" not in file] == ["in-use"]


def test_the_program_ends_with_its_parent_and_its_own_children_go_on(bot: CommandLine) -> None:
    program = ["sh", "-c", "sleep 600 & echo child $!; trap '' TERM; echo up; wait; wait"]
    with supervised(bot, program=program) as watched:
        grandchild = int(watched.wait_for("child ").split()[1])
        watched.wait_for("up")
        children = watched.children()
        watched.process.kill()
        eventually(lambda: not any(map(is_running, children)), "the program is still there")
        assert is_running(grandchild), "the system ends the direct child only"
        os.kill(grandchild, signal.SIGKILL)


def is_running(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


DIES_EARLY = """
import os, signal, time
from registry.services.supervising import processes
def too_late():
    while os.getppid() == parent: time.sleep(0.01)
processes._end_with_the_parent = too_late
def work(supervisor):
    os.write(1, b"worked")
    return 0
parent = os.getpid()
processes.forked(work)
os.kill(parent, signal.SIGKILL)
"""


def test_a_parent_that_dies_before_the_system_is_asked_leaves_nothing_that_works() -> None:
    done = subprocess.run([sys.executable, "-c", DIES_EARLY], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "-pf", "--mount-proc", "true"], check=False).returncode != 0,
    reason="needs the right to make a process namespace",
)
def test_as_the_first_process_of_a_container_it_waits_for_orphans(bot: CommandLine) -> None:
    program = ["sh", "-c", WITH_ORPHANS]
    inside = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    with supervised(bot, program=program, prefix=inside) as watched:
        assert watched.wait_for("zombies: ") == "zombies: 0"
        (supervisor,) = watched.children()
        os.kill(supervisor, signal.SIGTERM)
        watched.wait_for("got TERM")
        # Nothing can end the first process by a signal, so it is the usual exit code.
        assert watched.end() == 128 + signal.SIGTERM
