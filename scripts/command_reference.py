"""Prints docs/commands.md, generated from the program's help so that the page cannot drift."""

import io
import os
from contextlib import redirect_stdout, suppress
from unittest.mock import patch

from registry.commands._app import VERBS, build

INTRODUCTION = """\
# Command reference

Generated from the program by `scripts/command-reference`; a test compares it.

`python -m registry.commands VERB …` and `account-registry VERB …` are the same.

With `--json`, standard output holds one document, `{"verb": …, "data": …}`; an error is
`{"verb": …, "error": {"code", "message", "hint", "exit_status"}}` on standard error.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed |
| 2 | usage: the command or a value in it can never be accepted |
| 3 | not found |
| 4 | conflict: it exists already, or somebody was faster |
| 5 | refused: inactive, not permitted, in use |
| 6 | verification failed, drift was found, or something is due |
| 7 | database or key unavailable |
"""


def help_of(*arguments: str) -> str:
    """The output of `--help`."""
    out = io.StringIO()
    with patch.dict(os.environ, COLUMNS="100"), redirect_stdout(out), suppress(SystemExit):
        build()([*arguments, "--help"], prog_name="account-registry")
    return out.getvalue().strip()


def reference() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    parts += [f"## {verb}\n\n```text\n{help_of(verb)}\n```\n" for verb in VERBS]
    return "\n".join(parts)


if __name__ == "__main__":
    print(reference(), end="")
