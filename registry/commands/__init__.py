"""The command line: `account-registry VERB …`, which runs `python -m registry.commands VERB …`.

House rules: a verb imports what it needs inside its function, so that it starts fast; it
asks a service and shows the answer, and decides nothing itself. Data goes to standard
output, everything else to standard error.
"""

import atexit
import gc
import os
import sys

_OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main() -> None:
    """Runs the command line and exits."""
    # Startup makes many long-lived objects. Repeated garbage collections of them would take
    # a tenth of the time of a short verb.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # The final collection at exit can skip them too.
    atexit.register(gc.freeze)

    from registry.commands._app import build

    _open_what_is_closed()
    app = build()
    sys.exit(app(prog_name="account-registry"))


def _open_what_is_closed() -> None:
    """Reopens closed standard streams on /dev/null: a database socket must not get their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123
