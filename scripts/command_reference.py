"""Prints docs/commands.md, generated from the program's help so that the page cannot drift."""

import io
import os
from contextlib import redirect_stdout, suppress
from unittest.mock import patch

from registry.commands._app import VERBS, build

INTRODUCTION = """\
# Command reference

Generated from the program by `scripts/command-reference`; a test compares it.

`account-registry VERB …` is the installed program. `python -m registry.commands VERB …` is
the same, but looks for a folder `registry` where you stand first.

## Output

- **On a terminal** a table is as wide as the terminal. Long texts stand below their row where a
  line is too short. `--wide` shows all columns.
- **In a pipe or a file** a row is one line, whatever its length, with a tab between its cells. The
  first line names the columns, also where no row follows. Nothing is coloured, cut or folded. A
  control character of a value is escaped, so a tab is `\\t`. An empty value is `-`, times are UTC.
- **With `--json`**, standard output holds one document, `{"verb": …, "data": …}`. A list also has
  `"cut"`: whether there is more than it shows. An error is
  `{"verb": …, "error": {"code", "message", "hint", "exit_status"}}` on standard error.

What is said about the data, such as that a list is cut or why it is empty, is beside the data on a
terminal, and on standard error elsewhere:

```bash
account-registry history --limit 1000 | awk -F'\\t' '$4 == "main_bot" { print $2, $5 }'
account-registry list-accounts --sort created | cut -f 1,6
```

All lists, apart from the history, take `--sort COLUMN`, `--limit N` and `--wide`. Texts are sorted
from A to Z; the newest and the largest come first.

## Completion

`account-registry --install-completion` teaches the shell that runs it (bash, zsh or fish) to
complete verbs, options and names: of accounts, exchanges, subaccounts, types of events, and
columns. It takes effect in the next shell. Names come out of a database that runs already; a
completion starts none, says nothing, and sees no secret.

## Exit codes

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
