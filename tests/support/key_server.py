"""Exchanges that know the keys of `key_answers`, for the examples of the documentation.

    python -m support.key_server FILE EXCHANGE…

It writes the settings of their clients into the file, and serves until it is ended.
"""

import contextlib
import json
import signal
import sys
from pathlib import Path

from support.exchange_server import serving
from support.key_answers import KEYS, answering


def main() -> None:
    """Serves."""
    file, *exchanges = sys.argv[1:]
    with contextlib.ExitStack() as running:
        config = {}
        for name in exchanges:
            server = running.enter_context(serving(name, answering(name)))
            server.trading = True
            config[name] = server.config()
            Path(f"{name}.json").write_text(json.dumps(KEYS[name]))
        Path(file).write_text(json.dumps(config))
        signal.sigwait({signal.SIGTERM, signal.SIGHUP})


if __name__ == "__main__":
    main()
