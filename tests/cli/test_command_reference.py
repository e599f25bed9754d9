"""The command reference matches the program's help."""

import runpy
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def test_docs_commands_is_the_help_of_the_program() -> None:
    reference = runpy.run_path(str(PROJECT / "scripts/command_reference.py"))["reference"]
    assert reference() == (PROJECT / "docs/commands.md").read_text(), (
        "run scripts/command-reference"
    )
