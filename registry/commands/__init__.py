"""The command line: `python -m registry.commands VERB …`, installed as `account-registry`.

House rules: a verb imports what it needs inside its function, so that it starts fast; it
asks a service and shows the answer, and decides nothing itself. Data goes to standard
output, everything else to standard error.
"""

import sys


def main() -> None:
    """Runs the command line and exits."""
    from registry.commands._app import build

    app = build()
    sys.exit(app(prog_name="account-registry"))
