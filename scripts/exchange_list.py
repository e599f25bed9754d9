"""Writes what ccxt says of its exchanges, a line for each.

Column by column: its id, its name, the credentials that it requires, and marks: `test` if it has a
test system, `nonce` if it counts nonces per key; `-` for none.
"""

import inspect
import sys
from pathlib import Path
from typing import Any

import ccxt
from ccxt.base.exchange import Exchange


def exchange_list() -> str:
    """The text of `registry/catalog/ccxt.tsv`."""
    head = f"# Written by scripts/generate-exchanges from ccxt {ccxt.__version__}\n"
    return head + "".join(_line(getattr(ccxt, name)()) for name in ccxt.exchanges)


def _line(exchange: Any) -> str:
    needs = [name for name, needed in exchange.requiredCredentials.items() if needed] or ["-"]
    marks = ["test"] if exchange.urls.get("test") else []
    if _counts_nonces(type(exchange)):
        marks.append("nonce")
    return "\t".join((exchange.id, exchange.name, " ".join(needs), " ".join(marks or ["-"]))) + "\n"


def _counts_nonces(kind: type) -> bool:
    """Whether ccxt makes rising nonces: "for venues that reject duplicate nonces per signer"."""
    classes = [part for part in kind.__mro__ if issubclass(part, Exchange) and part is not Exchange]
    files = (Path(inspect.getfile(part)).read_text("utf-8") for part in classes)
    return any("incrementing_nonce(" in text for text in files)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(exchange_list(), "utf-8")
    sys.stdout.write(f"Wrote {sys.argv[1]}\n")
