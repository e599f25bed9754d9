"""Threat: Memory on disk.

A process that holds secrets crashes, and its memory is written to a file; or another program of the
same user looks into it.
"""

import ctypes
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from support.cli import CommandLine
from support.running import borrowing_bot

PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4
NONE = 1
"""Bytes: Linux hands a dump to a program even where the limit is 0, but not where it is 1."""
LIMIT = "import json, resource; print(json.dumps(resource.getrlimit(resource.RLIMIT_CORE)))"
LOADER = f"""
from registry.encryption.key_source import load_keyring
load_keyring()
{LIMIT}
"""


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The test's own process is none of those that hold secrets."""
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    yield
    resource.setrlimit(resource.RLIMIT_CORE, limits)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


@pytest.fixture
def may_dump() -> None:
    """As a shell with `ulimit -c unlimited`."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


@pytest.mark.usefixtures("may_dump")
@pytest.mark.parametrize(("setting", "is_off"), [("", True), ("allow", False), ("1", True)])
def test_a_program_that_reads_the_master_key_leaves_no_core_dump(
    cli: CommandLine, setting: str, is_off: bool
) -> None:
    told = subprocess.run(
        [sys.executable, "-c", LOADER],
        env={**cli.environment, "REGISTRY_CORE_DUMPS": setting},
        capture_output=True,
        check=True,
    )
    soft, hard = json.loads(told.stdout)
    assert (soft == NONE) is is_off
    assert hard == resource.getrlimit(resource.RLIMIT_CORE)[1], "a program can allow it again"


@pytest.mark.usefixtures("may_dump")
def test_a_program_that_got_keys_from_run_leaves_none_either(cli: CommandLine) -> None:
    bot = borrowing_bot(cli)
    told = bot.process("run", "--account", "bot", "--", sys.executable, "-c", LIMIT)
    assert json.loads(told.out)[0] == NONE


def test_no_verb_can_be_looked_into_by_another_program(cli: CommandLine) -> None:
    library: Any = ctypes.CDLL(None)
    library.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    cli("exchanges")
    assert library.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
