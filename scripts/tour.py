"""Runs the console examples of README.md, and puts what they print into the page.

Each line `$ command` of a `console` block is run by bash, in order, in an empty folder with
a registry of its own. `python scripts/tour.py` writes the page again; the test compares it,
with what differs from run to run (ids, times, digests, paths) made equal.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from registry.database.embedded import program_folder

PROJECT = Path(__file__).resolve().parents[1]
README = PROJECT / "README.md"

ENV_FILE = """\
API_KEY_PRIVATE_KEY=0x7d1f4c0a9b2e4f66
LIGHTER_ACCOUNT_INDEX=4711
ASTER_API_KEY=aster-key-1
ASTER_SECRET_KEY=aster-secret-1
PARADEX_L1_ADDRESS=your_l1_address_here
TELEGRAM_BOT_TOKEN=123
"""

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"), "2026-11-24 12:00:00Z"),
    (re.compile(r"#[0-9a-f]{8}"), "#00000000"),
    (re.compile(r"master key [0-9a-f]{12}"), "master key 000000000000"),
    (re.compile(r"root [0-9a-f]{64}"), "root 0"),
    (re.compile(r"in \d+\.\d s \([\d,]+/s\)"), "in 0.0 s (1,000/s)"),
)


def environment(folder: Path) -> dict[str, str]:
    """What the examples run in."""
    binaries = Path(sys.executable).parent
    postgres = program_folder()
    return {
        "PATH": f"{binaries}:{postgres}:{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
        "HOME": str(folder),
        "REGISTRY_DATA_DIR": str(folder / "data"),
        "REGISTRY_CONFIG_DIR": str(folder / "config"),
        "REGISTRY_ACTOR": "ann@desk",
        "LC_ALL": "C.UTF-8",
    }


def refreshed(page: str, folder: Path) -> str:
    """The page with what its examples print today."""
    variables = environment(folder)
    config = folder / "config"
    (folder / "main_bot.env").write_text(ENV_FILE)
    # The server is set up beforehand, so that its notices are not part of the tour.
    for words in (["embedded", "start"], ["list-accounts"]):
        subprocess.run(
            [sys.executable, "-m", "registry.commands", *words],
            env=variables,
            check=True,
            capture_output=True,
        )

    def block(match: re.Match[str]) -> str:
        commands = [line for line in match[1].splitlines() if line.startswith("$ ")]
        parts = [f"{line}\n{_run(line[2:], variables, folder)}" for line in commands]
        return "```console\n" + "".join(parts) + "```"

    try:
        text = _BLOCK.sub(block, page)
    finally:
        subprocess.run(
            [sys.executable, "-m", "registry.commands", "embedded", "stop"],
            env=variables,
            check=False,
            capture_output=True,
        )
    text = re.sub(rf"\b{re.escape(socket.gethostname())}\b", "desk", text)
    return text.replace(str(config), "~/.config/account-registry").replace(str(folder), "~")


def _run(command: str, variables: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        env=variables,
        cwd=folder,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.stdout if not done.stdout or done.stdout.endswith("\n") else done.stdout + "\n"


def normalised(page: str) -> str:
    """The page with what differs from run to run made equal, column widths too."""
    for pattern, text in _VARYING:
        page = pattern.sub(text, page)
    return re.sub(r" {2,}", "  ", page)


def run_in_new_folder(page: str) -> str:
    """`refreshed`, in a temporary folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tour-"))
    try:
        return refreshed(page, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    README.write_text(run_in_new_folder(README.read_text()))
